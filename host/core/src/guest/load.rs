// SPDX-License-Identifier: MIT OR Apache-2.0
//! From an image to a guest that is ready to run.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicU64};

use paravirt_abi::signature::{Signature, Type, Width};
use paravirt_abi::start::Features;

use super::call::{Binding, NO_CALL};
use super::{Guest, Platform};
use crate::gate::{self, Code, Start};
use crate::image::{External, Image, ImageError, Machine, Policy, check_loadable};
use crate::layout::{self, Layout, LayoutError};
use crate::memory::{MapError, PAGE, Pages};
use crate::page::Page;
use crate::prototype_match::{self, PrototypeMismatch};
use crate::text::Escaped;
use crate::timers::Timers;
use crate::{l4rtems, prototype, start_info};

/// Alignment of what follows the stubs, in bytes.
const CODE_ALIGNMENT: u64 = 16;

/// What a host on that platform may load; with `l4rtems` L4RTEMS images as well.
#[must_use]
pub fn policy<P: Platform>(l4rtems: bool) -> Policy {
    let policy = if l4rtems { Policy::l4rtems() } else { Policy::default() };
    let mut machines = vec![gate::MACHINE];
    if P::CODE_32.is_some() && gate::MACHINE != Machine::I386 {
        machines.push(Machine::I386);
    }
    Policy { machines, ..policy }
}

/// A function that the host provides.
#[derive(Clone, Debug)]
pub struct Function<F> {
    /// Its prototype; `None`: that of the guest's declaration, or the ABI's of that name.
    pub signature: Option<Signature>,
    /// The function, as the platform calls it.
    pub function: F,
}

/// Gives the host's function of a name, for a guest of that width.
pub type Provide<'a, F> = dyn Fn(&str, Width) -> Option<Function<F>> + 'a;

/// What a guest is to be given.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The command line.
    pub command_line: &'a str,
    /// Memory beside the image, in bytes.
    pub memory: u64,
    /// Whether the guest may execute that memory although its image does not ask for it.
    pub executable_memory: bool,
    /// Whether each function is bound on its first call.
    pub lazy: bool,
    /// Whether L4RTEMS images are accepted, which are entered as they were then.
    pub l4rtems: bool,
    /// Functions beside those in the image's tables: pointers in the guest's memory, which it calls unless they are
    /// null. Those that the host provides are set, where the guest may write; however functions are bound.
    pub hooks: &'a [External],
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
        disagreement: PrototypeMismatch,
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
    #[error("{file}: cannot protect the guest's memory: {1}", file = Escaped(.0))]
    Protect(String, #[source] MapError),
}

impl<P: Platform> Guest<P> {
    /// Maps the guest's memory, loads the image and binds its slots. Functions that nobody provides keep their
    /// slots as they are.
    ///
    /// # Errors
    /// If the image is not for this host, a prototype does not fit, or the memory cannot be had.
    pub fn load(
        image: &Image,
        request: &Request<'_>,
        provide: &Provide<'_, P::Function>,
        platform: P,
        pages: Box<dyn Pages>,
    ) -> Result<Self, GuestError> {
        check_loadable(image, &policy::<P>(request.l4rtems))?;
        let width = image.machine().width();
        let externals = || image.externals().iter().chain(request.hooks);
        let mut bindings = bind::<P>(image, externals(), provide)?;
        // The stubs and the shims of what is called as in L4RTEMS lie one behind the other.
        let stubs = (Code::size(width, bindings.len()) as u64).next_multiple_of(CODE_ALIGNMENT);
        let shims = l4rtems::Code::size(bindings.len()) as u64;
        let takes_interrupts = image.vcpu_page().is_some();
        let mut layout = layout::map(
            &layout::Request {
                image,
                memory: request.memory,
                executable_memory: request.executable_memory,
                command_line: request.command_line,
                code: stubs + shims,
                // The counter of upcalls, and a vCPU page for an image that has none.
                data: if takes_interrupts { PAGE } else { 2 * PAGE },
            },
            pages,
        )?;
        let (at, upcalls) = (layout.code, layout.data);
        let prototypes = bindings.iter().map(|binding| binding.prototype);
        let (code, mut bytes) = Code::write(at, width, prototypes, upcalls);
        bytes.resize(stubs as usize, 0);
        let mut l4rtems_code = l4rtems::Code::new(at + stubs);
        for (index, (binding, external)) in bindings.iter_mut().zip(externals()).enumerate() {
            binding.entry = l4rtems_code.entry(&external.name, width, code.stub(index));
        }
        let start = prepare_entry(image, request, &platform, &mut layout, code.resolver, &mut l4rtems_code);
        let Layout { mut memory, .. } = layout;
        bytes.extend(l4rtems_code.bytes);
        memory.initialize(at, &bytes);
        let page = image.vcpu_page().unwrap_or(upcalls + PAGE);
        // SAFETY: mapped for the guest's life, aligned and writable: by the scanner's word where the image has one, and
        // else by the layout, which does so for nothing but that. Its interrupt flag then stays off.
        let page = unsafe { Page::new(page) };
        let guest = Self {
            start_time: platform.start(),
            lines: platform.lines(),
            platform,
            width,
            memory,
            page,
            upcalls,
            takes_interrupts,
            timers: Timers::default(),
            bindings,
            externals: image.externals().len(),
            code,
            gates: at..at + bytes.len() as u64,
            start,
            end: AtomicU64::new(0),
            in_host: AtomicBool::new(true),
            alarm_due: AtomicBool::new(false),
            overruns: AtomicU64::new(0),
            fault: Cell::new(None),
            last_call: Cell::new(NO_CALL),
            has_run: AtomicBool::new(false),
        };
        let (bindings, hooks) = guest.bindings.split_at(guest.externals);
        let bindings = bindings.iter().filter(|_| !request.lazy);
        let word = guest.pointer();
        let hooks = hooks.iter().filter(|hook| guest.memory.writable(hook.slot, word));
        let bound = bindings.chain(hooks).filter(|binding| binding.function.is_some());
        bound.for_each(|binding| guest.fill_slot(binding));
        guest
            .memory
            .seal()
            .map_err(|source| GuestError::Protect(image.name().to_owned(), source))?;
        // By the linker scripts the image ends with its stack, where calls have arguments.
        if let Some(segment) = image.segments().iter().rfind(|segment| segment.access.write) {
            guest.memory.expect(segment.address);
        }
        Ok(guest)
    }
}

/// Finds the host's function for each of the guest's. Where the slots lead is known once the guest is laid out.
fn bind<'a, P: Platform>(
    image: &Image,
    externals: impl Iterator<Item = &'a External>,
    provide: &Provide<'_, P::Function>,
) -> Result<Vec<Binding<P::Function>>, GuestError> {
    let width = image.machine().width();
    let file = || image.name().to_owned();
    let prototype = |external: &External, host| {
        prototype_match::prototype(external, host, width)
            .map_err(|disagreement| GuestError::Prototype {
                file: file(),
                disagreement,
            })?
            .ok_or_else(|| GuestError::NoPrototype {
                file: file(),
                name: external.name.clone(),
            })
    };
    let bind_one = |external: &External| {
        let (prototype, function) = match provide(&external.name, width) {
            Some(Function { signature, function }) => (prototype(external, signature)?, Some(function)),
            // Who calls a function that nobody provides gets as far as its gate.
            None => (Signature::new(Type::Unit, &[]), None),
        };
        Ok(Binding {
            slot: external.slot,
            entry: 0,
            function,
            prototype,
            stack_bytes: prototype::stack_bytes(prototype, image.machine()),
        })
    };
    externals.map(bind_one).collect()
}

/// Writes what the guest finds. `resolver` is the address of the resolver of lazy binding, `code` takes what else of
/// code it needs.
#[cfg_attr(
    target_arch = "aarch64",
    expect(unused_variables, reason = "L4RTEMS images, which need the code, are for i386")
)]
fn prepare_entry<P: Platform>(
    image: &Image,
    request: &Request<'_>,
    platform: &P,
    layout: &mut Layout,
    resolver: u64,
    code: &mut l4rtems::Code,
) -> Start {
    let Request { lazy, command_line, .. } = *request;
    let address = layout.start_info;
    let far = P::CODE_32.filter(|_| image.machine() != gate::MACHINE);
    let on_host_stack = P::STACK_FOR_EVENTS;
    let start = |point, info| Start {
        point,
        info,
        on_host_stack,
        far,
    };
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if image.identity().is_none() {
        let end = layout.image_end;
        let gate::Selectors { stack, data, fs, .. } = gate::selectors();
        // Data of 64-bit code need no segment.
        let ds = if far.is_some() { stack } else { data };
        let selectors = l4rtems::Selectors { ds, fs };
        let block = l4rtems::block(address, end, selectors, resolver, command_line);
        layout.memory.initialize(address, &block.bytes);
        let point = code.start(&l4rtems::Start {
            multiboot: block.multiboot,
            stack: end,
            entry: image.entry(),
        });
        return start(point, block.shared);
    }
    let mut features = platform.features();
    features.set(Features::LAZY, lazy);
    let contents = start_info::Contents {
        features,
        resolver: if lazy { resolver } else { 0 },
        wall_clock: platform.wall(),
        command_line,
    };
    let info = start_info::bytes(address, &layout.ranges, &contents);
    layout.memory.initialize(address, &info);
    start(image.entry(), address)
}
