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

use super::call::{Binding, Target};
use super::entry::Entry;
use super::{Guest, Platform, WIDTH};
use crate::agreement::{self, Disagreement};
use crate::gate::{self, Code};
use crate::image::{External, Image, ImageError, Policy, check_loadable};
use crate::layout::{self, Layout, LayoutError};
use crate::legacy;
use crate::lines::Lines;
use crate::memory::{MapError, PAGE, Pages};
use crate::page::{Page, PageError};
use crate::text::Escaped;
use crate::timers::Timers;

/// Alignment of what follows the stubs, in bytes.
const CODE_ALIGNMENT: u64 = 16;

/// What a host of this width may load; with `compat_2013` images of 2013 as well.
#[must_use]
pub fn policy(compat_2013: bool) -> Policy {
    let policy = if compat_2013 {
        Policy::of_2013()
    } else {
        Policy::default()
    };
    Policy {
        machines: vec![gate::MACHINE],
        ..policy
    }
}

/// A function that the host provides.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its prototype; `None`: that of the guest's declaration, or the ABI's of that name.
    pub signature: Option<Signature>,
    /// Its address, with the C ABI, a function of 2013 too.
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
    /// Whether the guest may execute that memory although its image does not ask for it.
    pub executable_memory: bool,
    /// Whether each function is bound on its first call.
    pub lazy: bool,
    /// Whether images of 2013 are accepted, which are entered as they were then.
    pub compat_2013: bool,
}

/// Why a guest cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// The image is not for this host.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// Guest and host disagree about a function.
    #[error("{file}: {disagreement}", file = Escaped(file))]
    Prototype {
        /// The image.
        file: String,
        /// About which one, and how.
        disagreement: Disagreement,
    },
    /// Neither guest nor host say how a function is called.
    #[error(
        "{file}: neither guest nor host say the prototype of `{name}`; put its word into the host's table", file = Escaped(file))]
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
    #[error("{file}: cannot protect the guest's memory: {source}", file = Escaped(file))]
    Protect {
        /// The image.
        file: String,
        /// The reason of the system below.
        source: MapError,
    },
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
        check_loadable(image, &policy(request.compat_2013))?;
        let mut bindings = bind(image, request.functions)?;
        // The stubs and the shims of what is called as in 2013 lie one behind the other.
        let stubs = (Code::size(bindings.len()) as u64).next_multiple_of(CODE_ALIGNMENT);
        let shims = legacy::Code::size(bindings.len()) as u64;
        let takes_interrupts = image.vcpu_page().is_some();
        let mut layout = layout::map(
            &layout::Request {
                image,
                memory: request.memory,
                executable_memory: request.executable_memory,
                command_line: request.command_line,
                code: stubs + shims,
                // A vCPU page for an image that has none.
                data: if takes_interrupts { 0 } else { PAGE },
            },
            pages,
        )?;
        let (code, bytes) = Code::write(layout.code as usize, bindings.len());
        layout.memory.initialize(layout.code, &bytes);
        let mut code_of_2013 = legacy::Code::new(layout.code + stubs);
        for (index, binding) in bindings.iter_mut().enumerate() {
            let (name, stub) = (&image.externals()[index].name, code.stub(index) as u64);
            binding.entry = code_of_2013.entry(name, WIDTH, stub);
        }
        let entry = Entry::prepare(
            image,
            request,
            &*platform,
            &mut layout,
            code.resolver as u64,
            &mut code_of_2013,
        );
        let Layout {
            mut memory, data, ..
        } = layout;
        memory.initialize(layout.code + stubs, &code_of_2013.bytes);
        let page = Page::of(image, &memory)?.unwrap_or_else(|| {
            // SAFETY: the layout has mapped it for the guest's life, aligned and writable. Its interrupt flag stays off.
            unsafe { Page::new(data) }
        });
        let guest = Self {
            start: platform.now(),
            platform,
            memory,
            page,
            takes_interrupts,
            lines: Lines::new(),
            timers: Timers::default(),
            bindings,
            code,
            entry,
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

/// Finds the host's function for each of the guest's. Where the slots lead is known once the guest is laid out.
fn bind(image: &Image, functions: &[Function]) -> Result<Vec<Binding>, GuestError> {
    let functions: BTreeMap<&str, &Function> = functions
        .iter()
        .map(|function| (function.name.as_str(), function))
        .collect();
    let file = || image.name().to_owned();
    let bind_one = |external: &External| {
        let (slot, entry) = (external.slot, 0);
        let Some(function) = functions.get(external.name.as_str()) else {
            let function = None;
            return Ok(Binding {
                slot,
                entry,
                function,
            });
        };
        let prototype = agreement::prototype(external, function.signature, WIDTH)
            .map_err(|disagreement| GuestError::Prototype {
                file: file(),
                disagreement,
            })?
            .ok_or_else(|| GuestError::NoPrototype {
                file: file(),
                name: external.name.clone(),
            })?;
        let address = function.address;
        let function = Some(Target { address, prototype });
        Ok(Binding {
            slot,
            entry,
            function,
        })
    };
    image.externals().iter().map(bind_one).collect()
}
