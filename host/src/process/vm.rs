// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest, from its image to its end, or why there is none.

use std::borrow::Cow;
use std::collections::{BTreeMap, TryReserveError};
use std::io;
use std::mem::{self, ManuallyDrop};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use paravirt_abi::error::Error;
use paravirt_abi::signature::Signature;
use paravirt_host_core::guest::{self, GuestError};
use paravirt_host_core::layout::GUEST_END;

use super::conditions::{self, Condition, Feature};
use super::console::Console;
use super::debugger::Debugger;
use super::functions::{self, Call, Erased, HostFunction, Provided, Value};
use super::lines::{LineHandle, SharedLines};
use super::pauses::Pauses;
use super::platform::{Function, Guest, Host, Observers, ProcessPages};
use super::recorder::{self, Recorder, traced};
use super::run::{self, Ended, Finished, Program, Run};
use super::sampler::{Sampler, sampled};
use super::sandbox::{SandboxError, SandboxPolicy};
use super::schedule::Schedule;
use super::step::{Step, Stepper};
use super::time::Time;
use crate::debug::core::CoreFile;
use crate::debug::stacks::StackCheck;
use crate::image::Image;

/// Memory of a guest beside its image if nothing else is asked for, in bytes.
pub const DEFAULT_MEMORY: u64 = 16 << 20;

/// Whether a guest is loaded in this process.
static OCCUPIED: AtomicBool = AtomicBool::new(false);

/// The right to have a guest in this process, which has room for one.
struct Occupancy;

impl Occupancy {
    fn take() -> Result<Self, VmError> {
        if OCCUPIED.swap(true, Ordering::SeqCst) {
            return Err(VmError::Occupied);
        }
        Ok(Self)
    }
}

impl Drop for Occupancy {
    fn drop(&mut self) {
        OCCUPIED.store(false, Ordering::SeqCst);
    }
}

/// What a guest is to be given, see [`Vm::builder`].
pub struct Builder {
    image: Image,
    memory: u64,
    executable_memory: bool,
    command_line: String,
    functions: BTreeMap<Cow<'static, str>, Provided>,
    console: Option<Console>,
    lazy: bool,
    l4rtems: bool,
    run: Run,
    time: Time,
    pauses: Option<Arc<Pauses>>,
    fsgsbase: bool,
    stepper: Option<Stepper>,
    debugger: Option<Debugger>,
    stack_check: bool,
    trace: Option<u64>,
    profile: bool,
}

/// What the system has refused to give.
fn no_memory(what: &'static str) -> impl FnOnce(TryReserveError) -> VmError {
    move |_| VmError::System(what, io::ErrorKind::OutOfMemory.into())
}

impl Builder {
    /// Memory for the guest beside its image, in bytes; [`DEFAULT_MEMORY`] if not given.
    #[must_use]
    pub const fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Lets the guest execute that memory, as its image may ask for itself ([`Image::asks_for_executable_memory`]). If
    /// neither does, the memory can be read and written only.
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

    /// Provides a host function: `Fn(&mut Call, A, ..) -> R`, of which the types must be those of the guest's
    /// declaration. An interface function of the same name is replaced, and so is an L4RTEMS function, which has the
    /// types that it had.
    #[must_use]
    pub fn provide<A, F: HostFunction<A>>(mut self, name: impl Into<String>, function: F) -> Self {
        let name = Cow::Owned(name.into());
        self.functions.insert(name, Provided::new(function));
        self
    }

    /// Provides a host function whose prototype is known only when the program runs, for libraries that provide
    /// functions of other languages. [`prototype::parse`](crate::prototype::parse) makes a signature of text, for a
    /// guest of the width of `image.machine()`. The function gets its arguments in their order, each as the [`Value`]
    /// of its type; its result is converted to the type of the prototype, as by `as`. Where that is `!`, the guest ends
    /// by [`Call::stop`], or else as fatal with code 0.
    #[must_use]
    pub fn provide_with(
        mut self,
        name: impl Into<String>,
        signature: Signature,
        function: impl Fn(&mut Call, &[Value]) -> Value + 'static,
    ) -> Self {
        let name = Cow::Owned(name.into());
        self.functions.insert(name, Provided::with(signature, function));
        self
    }

    /// Input and output; standard input and output if not given.
    #[must_use]
    pub fn console(mut self, console: Console) -> Self {
        self.console = Some(console);
        self
    }

    /// How guest time passes; [`Time::Real`] if not given.
    #[must_use]
    pub const fn time(mut self, time: Time) -> Self {
        self.time = time;
        self
    }

    /// Lets the guest stand at times.
    pub(super) fn pausing(mut self, pauses: Arc<Pauses>) -> Self {
        self.pauses = Some(pauses);
        self
    }

    /// Time after which the guest is stopped, by the host's clock. A host function that is running then ends first.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.run.timeout = Some(timeout);
        self
    }

    /// Binds each function on its first call instead of all before the guest starts.
    #[must_use]
    pub const fn lazy(mut self, lazy: bool) -> Self {
        self.lazy = lazy;
        self
    }

    /// Accepts L4RTEMS images (2013): answers to the functions that they call (`l4rtems_outch` and its kin), and
    /// enters an image for i386 without identity note as it was entered then. Such an image gets no interrupts; see
    /// [`paravirt_abi::l4rtems`].
    #[must_use]
    pub fn l4rtems(mut self) -> Self {
        self.l4rtems = true;
        let functions = functions::l4rtems();
        self.functions
            .extend(functions.map(|(name, provided)| (name.into(), provided)));
        self
    }

    /// While the guest runs, handles SIGINT, SIGTERM, SIGHUP and SIGQUIT by ending it in good order
    /// ([`Exit::Signal`](super::Exit::Signal)), and gives the terminal back on Ctrl-Z. If nobody reads the console's
    /// output any more, that is the end, too, as by SIGPIPE; otherwise the guest is told that the console failed. If
    /// not given, that is done if the console's input is a terminal.
    #[must_use]
    pub const fn handle_signals(mut self, handle: bool) -> Self {
        self.run.handle_signals = Some(handle);
        self
    }

    /// Runs the guest with this real-time priority, from 1 to 99, see [`Realtime`](super::Realtime).
    #[must_use]
    pub const fn realtime(mut self, priority: u8) -> Self {
        self.run.realtime = Some(priority);
        self
    }

    /// On x86-64: switches thread pointers by system calls even where user mode may do it, as on kernels before 5.9.
    #[must_use]
    pub const fn without_fsgsbase(mut self) -> Self {
        self.fsgsbase = false;
        self
    }

    /// Confines the guest by a seccomp filter, from just before its first instruction on: guest code cannot call Linux
    /// in any way, and host code on the thread that runs the guest only as the policy says. Another call ends the guest
    /// with [`Exit::Fault`](super::Exit::Fault). If not given, the weaker
    /// [`Confinement::Guard`](super::Confinement::Guard) is in force.
    ///
    /// No privilege is needed, and none can be gained any more (`PR_SET_NO_NEW_PRIVS`). **The filter stays on the
    /// thread that calls [`Vm::run`], and on every thread and process that this starts from then on, for good**; when
    /// the guest has ended, a call that is not permitted fails with ENOSYS. So a program that goes on after the guest
    /// builds and runs it on a thread of its own. Host functions that need more than the policy allows ask a thread
    /// that was there before.
    ///
    /// The process's memory is not confined: the guest can read and write it all, and with it what other threads do.
    /// Only in a process whose every thread was started by the guest's, as in the program `pvhost`, is that no way out.
    #[must_use]
    pub fn sandbox(mut self, policy: SandboxPolicy) -> Self {
        self.run.sandbox = Some(policy);
        self
    }

    /// Has debuggers come to that port: the guest stands before its first instruction until one lets it go on. While it
    /// stands, so does its time, in each of the ways in which that passes, and its time limit.
    #[must_use]
    pub fn debugger(mut self, debugger: Debugger) -> Self {
        self.debugger = Some(debugger);
        self
    }

    /// Finds out how much of its stacks the guest uses, see [`StackCheck`] and [`Stats::stacks`](super::Stats::stacks).
    #[must_use]
    pub const fn stack_check(mut self, check: bool) -> Self {
        self.stack_check = check;
        self
    }

    /// Calls `look` when the guest has ended, before its memory is taken back, on the thread that ran it. With a
    /// [sandbox](Self::sandbox), that thread is still confined.
    #[must_use]
    pub fn at_end(mut self, look: impl FnOnce(&Ended<'_>) + 'static) -> Self {
        self.run.at_end.push(Box::new(look));
        self
    }

    /// Writes a core of the guest if it ends otherwise than by its exit ([`Exit::leaves_core`](super::Exit::leaves_core)),
    /// see [`Finished::core`](super::Finished::core).
    #[must_use]
    pub fn core(mut self, file: CoreFile) -> Self {
        self.run.core = Some(file);
        self
    }

    /// Single-steps the guest and calls `stepper` before each of its instructions, also those of the host's stubs. For
    /// tests.
    #[must_use]
    pub fn on_step(mut self, stepper: impl FnMut(&mut Step<'_>) + 'static) -> Self {
        self.stepper = Some(Box::new(stepper));
        self
    }

    /// Records what the guest does, in so much memory, in bytes (see [`trace::MEMORY`](crate::trace::MEMORY)):
    /// [`Finished::trace`]. When it is full, the oldest events go. Each call of a host function takes 20 to 30 ns longer;
    /// the guest's time is the same in each run where it was.
    #[must_use]
    pub const fn trace(mut self, memory: u64) -> Self {
        self.trace = Some(memory);
        self
    }

    /// Samples where the guest's processor time goes: [`Finished::profile`].
    #[must_use]
    pub const fn profile(mut self, profile: bool) -> Self {
        self.profile = profile;
        self
    }

    /// What was asked for that the host does not have on every processor.
    fn features(&self) -> impl Iterator<Item = Feature> {
        let is_seeded = matches!(self.time, Time::Steps(steps) if steps.seed().is_some());
        let asked = [
            (self.debugger.is_some(), Feature::Debugger),
            (self.run.core.is_some(), Feature::Core),
            (self.trace.is_some(), Feature::Trace),
            (self.profile, Feature::Profile),
            (self.stepper.is_some(), Feature::Steps),
            (is_seeded, Feature::Seed),
        ];
        asked
            .into_iter()
            .filter_map(|(is_asked, feature)| is_asked.then_some(feature))
    }

    /// Loads the guest and binds its functions.
    ///
    /// # Errors
    /// If the image is not for this host, a prototype does not fit, or the system refuses something.
    pub fn build(self) -> Result<Vm, VmError> {
        let address = run::run as *const () as u64;
        if address < GUEST_END {
            return Err(VmError::HostInTheWay(address));
        }
        let occupancy = Occupancy::take()?;
        conditions::check(self.image.machine().width())?;
        self.features().try_for_each(Feature::check)?;
        let console = match self.console {
            Some(console) => console,
            None => Console::stdio()
                .map_err(|source| VmError::System("cannot use standard input and output as the console", source))?,
        };
        let sampler =
            (self.profile.then(Sampler::new).transpose()).map_err(no_memory("no room for a profile's samples"))?;
        let sampler = sampler.map(Rc::new);
        let hook = self.trace.and_then(|_| recorder::hook(&self.image));
        let request = guest::Request {
            command_line: &self.command_line,
            memory: self.memory,
            executable_memory: self.executable_memory,
            lazy: self.lazy,
            l4rtems: self.l4rtems,
            hooks: hook.as_slice(),
        };
        let lines = Arc::new(SharedLines::new(self.pauses.clone(), self.trace.is_some()));
        let recorder = (self.trace).map(|memory| Recorder::new(memory, self.time));
        let recorder = (recorder.transpose()).map_err(no_memory(
            "no room for a trace; a smaller one will do (`--trace-memory`)",
        ))?;
        let recorder = recorder.map(Rc::new);
        let debugged = self.debugger.as_ref().map(Debugger::vcpu);
        let schedule = Schedule::new(self.time, self.pauses, debugged.is_some(), Arc::clone(&lines));
        let follows_calls = schedule.follows_calls();
        let provide = |name: &str, width| {
            if let Some((recorder, _)) = recorder
                .as_ref()
                .zip(hook.as_ref())
                .filter(|(_, hook)| hook.name == name)
            {
                let Provided { function, .. } = recorder::told(recorder);
                return Some(guest::Function {
                    signature: None,
                    function: Function::new(function),
                });
            }
            let provided = self.functions.get(name)?;
            let function = Rc::clone(&provided.function);
            let function = if follows_calls { followed(function) } else { function };
            let function = match &recorder {
                Some(recorder) => traced(recorder, name, function),
                None => function,
            };
            let function = match &sampler {
                Some(sampler) => sampled(sampler, name, function),
                None => function,
            };
            Some(guest::Function {
                signature: Some(provided.signature(width)),
                function: Function::new(function),
            })
        };
        let width = self.image.machine().width();
        let observers = Observers {
            debugged,
            recorder: recorder.clone(),
            sampler: sampler.clone(),
        };
        let host = Host::new(
            width,
            console.device(),
            lines,
            schedule,
            self.fsgsbase,
            self.stepper,
            observers,
        );
        let pages = Box::new(ProcessPages);
        let guest = Guest::load(&self.image, &request, &provide, host, pages)?;
        let mut run = self.run;
        run.stack_check = self.stack_check.then(|| StackCheck::begin(&self.image, guest.memory()));
        Ok(Vm {
            guest: Box::new(guest),
            run,
            debugger: self.debugger,
            image: self.image,
            command_line: self.command_line,
            _occupancy: occupancy,
        })
    }
}

/// The function, and around it what depends on calls. Otherwise a call does without.
fn followed(function: Erased) -> Erased {
    Rc::new(Box::new(move |call: &mut Call| {
        call.guest().platform().schedule.before_call();
        function(call);
        let guest = call.guest();
        guest.platform().schedule.after_call(guest);
    }))
}

/// A guest that is loaded and ready to run.
pub struct Vm {
    guest: Box<Guest>,
    run: Run,
    debugger: Option<Debugger>,
    image: Image,
    command_line: String,
    _occupancy: Occupancy,
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
            functions: functions::interface()
                .map(|(name, provided)| (name.into(), provided))
                .collect(),
            console: None,
            lazy: false,
            l4rtems: false,
            run: Run::default(),
            time: Time::Real,
            pauses: None,
            fsgsbase: true,
            stepper: None,
            debugger: None,
            stack_check: false,
            trace: None,
            profile: false,
        }
    }

    /// The image that it was made of.
    #[must_use]
    pub const fn image(&self) -> &Image {
        &self.image
    }

    /// External functions of the guest that nobody provides. A call of one ends the guest.
    pub fn unbound(&self) -> impl Iterator<Item = &str> {
        self.image
            .externals()
            .iter()
            .zip(self.guest.functions())
            .filter(|(_, function)| function.is_none())
            .map(|(external, _)| external.name.as_str())
    }

    /// A handle to raise a line with, from any thread.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line.
    pub fn line(&self, line: u32) -> Result<LineHandle, Error> {
        self.guest.platform().line(line)
    }

    /// The lines of the guest.
    pub(super) fn lines(&self) -> Arc<SharedLines> {
        Arc::clone(&self.guest.platform().lines)
    }

    /// Whether the system would refuse now what [`run`](Self::run) needs, whatever the guest does.
    ///
    /// # Errors
    /// As of [`run`](Self::run), but for real-time priority and the sandbox.
    pub fn check(&self) -> Result<(), VmError> {
        run::check()
    }

    /// Runs the guest to its end, on this thread. Meanwhile some signals are the host's, and handlers of the program's
    /// own are called by way of the host's, see `host/README.md`; when it returns, they are as they were.
    ///
    /// # Errors
    /// If the system refuses what running needs.
    pub fn run(mut self) -> Result<Finished, VmError> {
        self.run_once()
    }

    /// As [`run`](Self::run), in a program that does nothing else, for `pvhost` itself: other handlers of signals are
    /// not looked for, and the guest's memory, signal stack and handlers are left to the process's own end. Only
    /// requests to end the process do again what they did before.
    ///
    /// # Errors
    /// As of [`run`](Self::run).
    ///
    /// # Safety
    /// Nobody else in this process has a handler of a signal that may come from now on: it would run on the guest's
    /// stack.
    #[doc(hidden)]
    pub unsafe fn run_last(mut self) -> Result<Finished, VmError> {
        self.run.program = Program::Alone;
        ManuallyDrop::new(self).run_once()
    }

    fn run_once(&mut self) -> Result<Finished, VmError> {
        run::run(
            &self.guest,
            &self.image,
            &self.command_line,
            self.debugger.as_ref(),
            mem::take(&mut self.run),
        )
    }
}

/// Why a guest could not be started.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// It cannot be made of this image.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// The host program itself is linked where guests go.
    #[error(
        "this program is linked at {0:#x}, in the guest's address space; link it position-independent (the \
        default)"
    )]
    HostInTheWay(u64),
    /// A guest is loaded already.
    #[error("another guest is loaded in this process; guests are linked at fixed addresses, so run one at a time")]
    Occupied,
    /// The system refused real-time scheduling.
    #[error(
        "cannot run with real-time priority {priority}: {source}; raise the limit (`ulimit -r {priority}`), or run as \
        root or with CAP_SYS_NICE (`sudo chrt -f {priority} true` shows whether the system permits it at all)"
    )]
    Realtime {
        /// The priority asked for.
        priority: u8,
        /// The system's reason.
        source: io::Error,
    },
    /// The system refused the timers that every guest stands on.
    #[error(
        "cannot make the two timers that a guest stands on: the limit of signals that may wait for this user, {limit}, \
        is reached, and each timer of each of the user's processes counts; raise it (`ulimit -i {}`)",
        limit.saturating_add(2)
    )]
    PendingSignals {
        /// The limit, RLIMIT_SIGPENDING.
        limit: u64,
    },
    /// Nobody lets the guest run.
    #[error("nobody lets the guest run")]
    Abandoned,
    /// The system does not let this process do what a guest needs.
    #[error(transparent)]
    Condition(#[from] Condition),
    /// The system refused the sandbox.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The system refused something the host needs.
    #[error("{0}: {1}")]
    System(&'static str, #[source] io::Error),
}
