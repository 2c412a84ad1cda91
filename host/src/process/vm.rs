// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest, from its image to its end.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use paravirt_abi::error::Error;
use paravirt_abi::signature::{Signature, Type, Width};
use paravirt_host_core::agreement;
use paravirt_host_core::explain::Fault;
use paravirt_host_core::page::Page;

use super::clock::{self, Clock};
use super::console::Console;
use super::error::VmError;
use super::exit::{Exit, Stop, StopKind};
use super::function::{Erased, HostFunction};
use super::layout::Layout;
use super::lines::{LineHandle, SharedLines};
use super::realtime::Realtime;
use super::run::{self, Run};
use super::state::GUEST_END;
use super::stats::Stats;
use super::step::{Step, Stepper};
use super::timers::Timers;
use super::vcpu::{Binding, Vcpu};
use super::{dispatch, gate, interface, layout, legacy};
use crate::image::{Image, Policy, check_loadable};
use crate::prototype;

/// Memory of a guest beside its image if nothing else is asked for, in bytes.
pub const DEFAULT_MEMORY: u64 = 16 << 20;

/// Whether a guest is loaded in this process.
static OCCUPIED: AtomicBool = AtomicBool::new(false);

/// The one place for a guest in this process.
struct Place;

impl Place {
    fn take() -> Result<Self, VmError> {
        if OCCUPIED.swap(true, Ordering::SeqCst) {
            return Err(VmError::Occupied);
        }
        Ok(Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        OCCUPIED.store(false, Ordering::SeqCst);
    }
}

/// A host function with its prototype.
pub(super) struct Provided {
    signature: fn(Width) -> Signature,
    function: Erased,
}

impl Provided {
    pub(super) fn new<A, F: HostFunction<A>>(function: F) -> Self {
        Self {
            signature: F::signature,
            function: function.erase(),
        }
    }
}

/// What a guest is to be given, see [`Vm::builder`].
pub struct Builder {
    image: Image,
    memory: u64,
    executable_memory: bool,
    command_line: String,
    functions: HashMap<String, Provided>,
    console: Option<Console>,
    timeout: Option<Duration>,
    lazy: bool,
    compat_2013: bool,
    handle_signals: Option<bool>,
    realtime: Option<u8>,
    fsgsbase: bool,
    stepper: Option<Stepper>,
}

impl Builder {
    /// Memory for the guest beside its image, in bytes; [`DEFAULT_MEMORY`] if not given.
    #[must_use]
    pub const fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Lets the guest execute that memory, as its image may ask for itself ([`Image::asks_for_executable_memory`]). If neither
    /// does, the memory can be read and written only.
    #[must_use]
    pub const fn executable_memory(mut self, executable: bool) -> Self {
        self.executable_memory = executable;
        self
    }

    /// The command line: arguments separated by single spaces.
    #[must_use]
    pub fn command_line(mut self, command_line: impl Into<String>) -> Self {
        self.command_line = command_line.into();
        self
    }

    /// Provides a host function: `Fn(&mut Call, A, ..) -> R`, of which the types must be those of the guest's declaration. An
    /// interface function of the same name is replaced, and so is a function of 2013, which has the types of then.
    #[must_use]
    pub fn provide<A, F: HostFunction<A>>(mut self, name: impl Into<String>, function: F) -> Self {
        self.functions.insert(name.into(), Provided::new(function));
        self
    }

    /// Input and output; standard input and output if not given.
    #[must_use]
    pub fn console(mut self, console: Console) -> Self {
        self.console = Some(console);
        self
    }

    /// Time after which the guest is stopped. A host function that is running then ends first.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Binds each function on its first call instead of all before the guest starts.
    #[must_use]
    pub const fn lazy(mut self, lazy: bool) -> Self {
        self.lazy = lazy;
        self
    }

    /// Accepts images of L4RTEMS, of 2013: answers to the functions that they call (`l4rtems_outch` and its kin), and enters an
    /// image for i386 without identity note as it was entered then. Such an image gets no interrupts; see
    /// [`paravirt_abi::legacy`].
    #[must_use]
    pub fn compat_2013(mut self) -> Self {
        self.compat_2013 = true;
        let functions = legacy::functions().map(|(name, provided)| (name.to_owned(), provided));
        self.functions.extend(functions);
        self
    }

    /// While the guest runs, handles SIGINT, SIGTERM, SIGHUP and SIGQUIT by ending it in good order ([`Exit::Signal`]), and
    /// gives the terminal back on Ctrl-Z. If not given, that is done if the console's input is a terminal.
    #[must_use]
    pub const fn handle_signals(mut self, handle: bool) -> Self {
        self.handle_signals = Some(handle);
        self
    }

    /// Runs the guest with this real-time priority, from 1 to 99, see [`Realtime`].
    #[must_use]
    pub const fn realtime(mut self, priority: u8) -> Self {
        self.realtime = Some(priority);
        self
    }

    /// Switches thread pointers by system calls even where user mode may do it, as on kernels before 5.9.
    #[must_use]
    pub const fn without_fsgsbase(mut self) -> Self {
        self.fsgsbase = false;
        self
    }

    /// Single-steps the guest and calls `stepper` before each of its instructions, also those of the host's stubs. For tests.
    #[must_use]
    pub fn on_step(mut self, stepper: impl FnMut(&mut Step<'_>) + 'static) -> Self {
        self.stepper = Some(Box::new(stepper));
        self
    }

    /// Loads the guest and binds its functions.
    ///
    /// # Errors
    /// If the image is not for this host, a prototype does not fit, or the system refuses something.
    pub fn build(self) -> Result<Vm, VmError> {
        let policy = if self.compat_2013 {
            Policy::of_2013()
        } else {
            Policy::default()
        };
        check_loadable(&self.image, &policy)?;
        let address = gate::leave_address();
        if address < GUEST_END {
            return Err(VmError::HostInTheWay { address });
        }
        let place = Place::take()?;
        let width = self.image.machine().width();
        let (mut bindings, prototypes) = bind(&self.image, &self.functions, width)?;
        let use_clock = clock::usable();
        let Layout {
            memory,
            low,
            entries,
            upcalls,
            spare_page,
            entry,
            start_info,
        } = layout::load(&layout::Request {
            image: &self.image,
            memory: self.memory,
            executable_memory: self.executable_memory,
            command_line: &self.command_line,
            prototypes: &prototypes,
            lazy: self.lazy,
            clock: use_clock,
        })?;
        for (binding, entry) in bindings.iter_mut().zip(entries) {
            binding.entry = entry;
        }
        let takes_interrupts = self.image.vcpu_page().is_some();
        let page = Page::of(&self.image, &memory)?.unwrap_or_else(|| {
            // SAFETY: the layout has mapped it for the guest's life, aligned and writable. Its interrupt flag stays off.
            unsafe { Page::new(spare_page) }
        });
        let console = match self.console {
            Some(console) => console,
            None => Console::stdio().map_err(|source| VmError::System {
                what: "cannot use standard input and output as the console",
                source,
            })?,
        };
        let handle_signals = self.handle_signals.unwrap_or(console.is_terminal());
        let vcpu = Box::new(Vcpu {
            width,
            memory,
            page,
            takes_interrupts,
            bindings,
            low,
            shared_lines: Arc::new(SharedLines::default()),
            timers: Timers::default(),
            clock: Clock::new(),
            console,
            stepper: RefCell::new(self.stepper),
            upcalls,
            idles: Cell::new(0),
            idle_ns: Cell::new(0),
            overruns: AtomicU64::new(0),
            fault: Cell::new(None),
        });
        if !self.lazy {
            for index in 0..vcpu.bindings.len() {
                if vcpu.bindings[index].function.is_some() {
                    dispatch::fill_slot(&vcpu, index);
                }
            }
        }
        vcpu.memory.seal().map_err(VmError::Protect)?;
        Ok(Vm {
            vcpu,
            run: Run {
                entry,
                start_info,
                timeout: self.timeout,
                handle_signals,
                fsgsbase: self.fsgsbase,
                clock: use_clock,
            },
            image: self.image,
            realtime: self.realtime,
            _place: place,
        })
    }
}

/// A guest that is loaded and ready to run.
pub struct Vm {
    vcpu: Box<Vcpu>,
    run: Run,
    image: Image,
    realtime: Option<u8>,
    _place: Place,
}

/// A guest's end.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub exit: Exit,
    /// What was counted.
    pub stats: Stats,
}

impl Vm {
    /// Starts to describe a guest.
    #[must_use]
    pub fn builder(image: Image) -> Builder {
        Builder {
            image,
            memory: DEFAULT_MEMORY,
            executable_memory: false,
            command_line: String::new(),
            functions: interface::functions()
                .map(|(name, provided)| (name.to_owned(), provided))
                .into(),
            console: None,
            timeout: None,
            lazy: false,
            compat_2013: false,
            handle_signals: None,
            realtime: None,
            fsgsbase: true,
            stepper: None,
        }
    }

    /// External functions of the guest that nobody provides. A call of one ends the guest.
    pub fn unbound(&self) -> impl Iterator<Item = &str> {
        self.image
            .externals()
            .iter()
            .zip(&self.vcpu.bindings)
            .filter(|(_, binding)| binding.function.is_none())
            .map(|(external, _)| external.name.as_str())
    }

    /// A handle to raise a line with, from any thread.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line.
    pub fn line(&self, line: u32) -> Result<LineHandle, Error> {
        LineHandle::new(&self.vcpu.shared_lines, line)
    }

    /// Runs the guest to its end, on this thread.
    ///
    /// # Errors
    /// If the system refuses what running needs.
    pub fn run(self) -> Result<Finished, VmError> {
        let _realtime = self
            .realtime
            .map(|priority| {
                Realtime::enter(priority).map_err(|source| VmError::Realtime { priority, source })
            })
            .transpose()?;
        let stop =
            run::run(&self.vcpu, &self.run).map_err(|source: io::Error| VmError::System {
                what: "cannot run the guest",
                source,
            })?;
        let exit = self.exit(stop);
        Ok(Finished {
            exit,
            stats: Stats::new(&self.vcpu, &self.image),
        })
    }

    fn exit(&self, stop: Stop) -> Exit {
        match stop.kind {
            StopKind::Exit => Exit::Exit(stop.code),
            StopKind::Reset => Exit::Reset,
            StopKind::Fatal => Exit::Fatal(stop.code),
            StopKind::Timeout => Exit::Timeout,
            StopKind::Signal => Exit::Signal(stop.code),
            StopKind::Fault => {
                let record = self.vcpu.fault.take();
                record.map_or(Exit::Fatal(stop.code), |record| {
                    let fault = Box::new(Fault::new(&record, &self.vcpu.memory, &self.image));
                    if record.is_unbound() {
                        Exit::Unbound(fault)
                    } else {
                        Exit::Fault(fault)
                    }
                })
            }
        }
    }
}

/// Finds the host's function for each of the guest's. Where the slots lead is known once the guest is laid out.
fn bind(
    image: &Image,
    functions: &HashMap<String, Provided>,
    width: Width,
) -> Result<(Vec<Binding>, Vec<Signature>), VmError> {
    let mut bindings = Vec::with_capacity(image.externals().len());
    let mut prototypes = Vec::with_capacity(image.externals().len());
    for external in image.externals() {
        let provided = functions.get(&external.name);
        let prototype = match provided.map(|provided| (provided.signature)(width)) {
            Some(host) => agreement::prototype(external, Some(host), width)
                .map_err(|disagreement| VmError::Prototype {
                    file: image.name().to_owned(),
                    disagreement,
                })?
                .unwrap_or(host),
            // Who calls a function that nobody provides gets as far as its gate.
            None => Signature::new(Type::Unit, &[]),
        };
        bindings.push(Binding {
            slot: external.slot,
            entry: 0,
            function: provided.map(|provided| Rc::clone(&provided.function)),
            stack_bytes: prototype::stack_bytes(prototype, width),
            calls: Cell::new(0),
        });
        prototypes.push(prototype);
    }
    Ok((bindings, prototypes))
}
