// SPDX-License-Identifier: MIT OR Apache-2.0
//! From an image to a guest that is ready to run.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicU64};

use paravirt_abi::signature::Signature;
use paravirt_abi::start::Features;

use super::call::{Binding, Target};
use super::{Guest, Platform};
use crate::gate::{self, Code};
use crate::image::{External, Image, ImageError, Policy, check_loadable};
use crate::layout::{self, LayoutError};
use crate::lines::Lines;
use crate::memory::{MapError, Pages};
use crate::page::{Page, PageError};
use crate::start_info;
use crate::timers::Timers;

/// What a host of this width may load.
#[must_use]
pub fn policy() -> Policy {
    Policy {
        machines: vec![gate::MACHINE],
        ..Policy::default()
    }
}

/// A function that the host provides.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its prototype; `None`: that of the guest's declaration.
    pub signature: Option<Signature>,
    /// Its address, with the C ABI.
    pub address: usize,
}

/// What a guest is to be given.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The host's functions, each name once.
    pub functions: &'a [Function],
    /// The command line.
    pub command_line: &'a str,
    /// Memory beside the image, in bytes.
    pub memory: u64,
    /// Whether each function is bound on its first call.
    pub lazy: bool,
}

/// Why a guest cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// The image is not for this host.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Guest and host disagree about a function.
    #[error(
        "{file}: `{name}` is `{guest}` for the guest but `{host}` for the host; build both from the same declaration"
    )]
    Prototype {
        /// The image.
        file: String,
        /// The function.
        name: String,
        /// The guest's prototype.
        guest: Signature,
        /// The host's.
        host: Signature,
    },
    /// Neither guest nor host say how a function is called.
    #[error(
        "{file}: neither guest nor host say the prototype of `{name}`; put its word into the host's table"
    )]
    NoPrototype {
        /// The image.
        file: String,
        /// The function.
        name: String,
    },
    /// The guest cannot be laid out.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The guest does not get its rights to its memory.
    #[error("{file}: cannot protect the guest's memory: {source}")]
    Protect {
        /// The image.
        file: String,
        /// The reason of the system below.
        source: MapError,
    },
    /// There is no vCPU page, which the policy does not let happen.
    #[error("{0}: no identity note says where the vCPU page is; link the guest with paravirt-bsp")]
    NoPage(String),
    /// The vCPU page is not used.
    #[error(transparent)]
    Page(#[from] PageError),
}

impl Guest {
    /// Maps the guest's memory, loads the image and binds its slots. Functions that nobody provides keep their slots as they are.
    ///
    /// # Errors
    /// If the image is not for this host, a prototype does not fit, or the memory cannot be had.
    pub fn load(
        image: &Image,
        request: &Request<'_>,
        platform: Box<dyn Platform>,
        pages: Box<dyn Pages>,
    ) -> Result<Self, GuestError> {
        check_loadable(image, &policy())?;
        let bindings = bind(image, request.functions)?;
        let layout = layout::map(
            &layout::Request {
                image,
                memory: request.memory,
                command_line: request.command_line,
                code: Code::size(bindings.len()) as u64,
                data: 0,
            },
            pages,
        )?;
        let mut memory = layout.memory;
        let (code, bytes) = Code::write(layout.code as usize, bindings.len());
        memory.initialize(layout.code, &bytes);
        let mut features = Features::empty();
        features.set(Features::LAZY, request.lazy);
        let contents = start_info::Contents {
            features,
            resolver: if request.lazy {
                code.resolver as u64
            } else {
                0
            },
            wall_clock: platform.wall(),
            command_line: request.command_line,
        };
        let info = start_info::bytes(layout.start_info, &layout.ranges, &contents);
        memory.initialize(layout.start_info, &info);
        let page =
            Page::of(image, &memory)?.ok_or_else(|| GuestError::NoPage(image.name().to_owned()))?;
        let guest = Self {
            start: platform.now(),
            platform,
            memory,
            page,
            lines: Lines::new(),
            timers: Timers::default(),
            bindings,
            code,
            entry: image.entry(),
            start_info: layout.start_info,
            end: AtomicU64::new(0),
            in_host: AtomicBool::new(true),
            alarm_due: AtomicBool::new(false),
            fault: Cell::new(None),
            has_run: AtomicBool::new(false),
        };
        if !request.lazy {
            for index in 0..guest.bindings.len() {
                if guest.bindings[index].function.is_some() {
                    guest.fill_slot(index);
                }
            }
        }
        guest.memory.seal().map_err(|source| GuestError::Protect {
            file: image.name().to_owned(),
            source,
        })?;
        Ok(guest)
    }
}

/// Finds the host's function for each of the guest's.
fn bind(image: &Image, functions: &[Function]) -> Result<Vec<Binding>, GuestError> {
    let functions: BTreeMap<&str, &Function> = functions
        .iter()
        .map(|function| (function.name.as_str(), function))
        .collect();
    let file = || image.name().to_owned();
    let bind_one = |external: &External| {
        let slot = external.slot;
        let Some(function) = functions.get(external.name.as_str()) else {
            let function = None;
            return Ok(Binding { slot, function });
        };
        let name = || external.name.clone();
        let prototype = match (function.signature, external.signature) {
            (Some(host), Some(guest)) if host != guest => {
                let (file, name) = (file(), name());
                return Err(GuestError::Prototype {
                    file,
                    name,
                    guest,
                    host,
                });
            }
            (Some(signature), _) | (None, Some(signature)) => signature,
            (None, None) => {
                let (file, name) = (file(), name());
                return Err(GuestError::NoPrototype { file, name });
            }
        };
        let address = function.address;
        let function = Some(Target { address, prototype });
        Ok(Binding { slot, function })
    };
    image.externals().iter().map(bind_one).collect()
}
