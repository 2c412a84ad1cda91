// SPDX-License-Identifier: MIT OR Apache-2.0
//! The run of a guest: what its thread needs set up around it, and what comes of it.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::ptr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use paravirt_abi::line::TIMERS;
use paravirt_host_core::fault::Fault;
use paravirt_host_core::guest::{End, EndKind};
use paravirt_host_core::memory::GuestMemory;
use paravirt_host_core::timers::NEVER;
use rustix::mm::{MapFlags, ProtFlags};

use super::core;
use super::debugger::Debugger;
use super::dispositions::{Event, Session};
use super::platform::{Function, Guest};
use super::sandbox::{self, Confinement, Sandbox, SandboxPolicy};
use super::schedule::Repeatable;
use super::signals::STATE;
use super::time::{PosixTimer, monotonic};
use super::vm::VmError;
use crate::debug::backtrace::Backtrace;
use crate::debug::core::{CoreError, CoreFile};
use crate::debug::stacks::{StackCheck, StackUse, overflowed};
use crate::debug::tasks::TasksError;
use crate::image::Image;
use crate::profile::{self, Profile};
use crate::text::Escaped;
use crate::trace::Trace;

/// Size of the signal stack: room for the largest register state, and for a stepper.
const SIGNAL_STACK: usize = 256 * 1024;

/// Linux, linux/signal.h, from 4.7 on.
const SS_AUTODISARM: i32 = 1 << 31;

/// The program around the host.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Program {
    /// It has other things to do, before and after.
    #[default]
    Shared,
    /// It does nothing but run this guest: nobody else has handlers of signals, and it ends soon after the guest.
    Alone,
}

/// How a guest is run.
#[derive(Default)]
pub(super) struct Run {
    pub(super) program: Program,
    pub(super) timeout: Option<Duration>,
    /// If not said, where the console's input is a terminal.
    pub(super) handle_signals: Option<bool>,
    pub(super) realtime: Option<u8>,
    pub(super) sandbox: Option<SandboxPolicy>,
    pub(super) core: Option<CoreFile>,
    pub(super) stack_check: Option<Result<StackCheck, TasksError>>,
    pub(super) at_end: Vec<Look>,
}

/// Looks at a guest that has ended.
pub(super) type Look = Box<dyn FnOnce(&Ended<'_>)>;

/// A guest that has ended, for those who look at it before its memory is taken back.
#[derive(Debug)]
pub struct Ended<'a> {
    /// The image that it was made of.
    pub image: &'a Image,
    /// Its memory, as it was left.
    pub memory: &'a GuestMemory,
    /// How it ended.
    pub exit: &'a Exit,
}

/// Runs the guest of that image to its end.
pub(super) fn run(
    guest: &Guest,
    image: &Image,
    command_line: &str,
    debugger: Option<&Debugger>,
    run: Run,
) -> Result<Finished, VmError> {
    let realtime = run
        .realtime
        .map(|priority| Realtime::enter(priority).map_err(|source| VmError::Realtime { priority, source }));
    let _realtime = realtime.transpose()?;
    let platform = guest.platform();
    let handles_ends = (run.handle_signals).unwrap_or_else(|| platform.console.is_terminal());
    if handles_ends {
        platform.console.end_with_its_reader();
    }
    platform.console.clear().map_err(refused)?;
    // From the signal stack on, handlers need it: a request to end may be waiting for its signal to be let in.
    platform.thread_pointer.begin();
    let stack = SignalStack::new(guest, run.program).map_err(refused)?;
    let session = Session::begin(run.program, handles_ends, platform.sampler.is_some());
    let [alarm, ender] = timers([Event::Alarm, Event::End].map(Event::signal))?;
    let limit = run.timeout.map_or(NEVER, |timeout| {
        let ns = u64::try_from(timeout.as_nanos()).unwrap_or(NEVER);
        monotonic().saturating_add(ns)
    });
    platform.await_reader(&ender, limit);
    platform.begin(&alarm, &ender, limit);
    let samples = (platform.sampler.as_ref())
        .map(|_| PosixTimer::of_processor_time(Event::Sample.signal(), profile::PERIOD).map_err(no_timer))
        .transpose()?;

    let debugged = debugger.map(|debugger| (debugger, debugger.machine(guest, image)));
    let calls = platform.calls().chain(debugger.into_iter().flat_map(Debugger::calls));
    let confined = Sandbox::install(run.sandbox, calls).map(|sandbox| {
        let begin = || {
            platform.console.begin()?;
            debugged.map_or(Ok(()), |(debugger, machine)| debugger.begin(machine))
        };
        let end = begin().map(|()| {
            // SAFETY: the prototypes of closures come from their types; everything the guest and the handlers need is
            // set up for this thread and outlives the call.
            let end = unsafe { guest.enter() };
            if let Some(debugger) = debugger {
                debugger.unwatch();
            }
            if let Some(text) = guest.collected_text(image) {
                platform.console.write_last(&text);
            }
            let is_asked = matches!(&end, Ok(end) if end.kind == EndKind::Stopped);
            (end, platform.console.drain(is_asked, &|| platform.ender.is_over()))
        });
        (end, sandbox.leave())
    });

    platform.end();
    drop((alarm, ender, samples));
    drop(session);
    drop(stack);
    let (end, confinement) = confined?;
    if confinement == Confinement::Filter {
        sandbox::stay();
    }
    let (end, given_up) = end.map_err(refused)?;
    let mut end = end.map_err(|error| refused(io::Error::other(error)))?;
    // What was wrong with the guest counts for more.
    if let Some(code) = given_up.filter(|_| end.status() == 0) {
        end = End::new(EndKind::Stopped, code);
    }
    let mut fault = guest.fault_report(image);
    let mut backtrace = backtrace(guest, image, end);
    if let Some(fault) = &mut fault
        && let Some(backtrace) = backtrace.take()
    {
        backtrace.explain(fault);
    }
    let mut exit = Exit::new(end, fault);
    if let (Exit::Fault(fault), Some(stack)) = (&mut exit, guest.fault_stack())
        && let Some(overflow) = overflowed(image, guest.memory(), stack)
    {
        fault.hint = Some(overflow);
    }
    let stacks =
        (run.stack_check).map(|check| check.and_then(|check| check.end(image, guest.memory(), guest.fault_stack())));
    let ended = Ended {
        image,
        memory: guest.memory(),
        exit: &exit,
    };
    for look in run.at_end {
        look(&ended);
    }
    if let Some(debugger) = debugger {
        debugger.finish(&exit);
    }
    let core = run.core.filter(|_| exit.leaves_core());
    Ok(Finished {
        core: core.map(|file| core::write(guest, image, command_line, &exit, file)),
        backtrace,
        stats: Stats::new(guest, image, &exit, confinement, stacks),
        exit,
        lost: platform.console.failure(),
        unread: platform.console.refusal(),
        unread_output: platform.console.unread_output(),
        profile: (platform.sampler.as_ref()).map(|sampler| sampler.finish(image)),
        trace: (platform.recorder.as_ref()).map(|recorder| recorder.finish(guest, image)),
    })
}

/// Where the guest was when it did what it may not, or gave up.
fn backtrace(guest: &Guest, image: &Image, end: End) -> Option<Backtrace> {
    if !matches!(end.kind, EndKind::Fault | EndKind::Unbound | EndKind::Fatal) {
        return None;
    }
    let left = guest.left(image)?;
    Some(Backtrace::new(image, &left.registers, true, guest.memory()))
}

/// Whether the system would refuse now what every run needs of it.
pub(super) fn check() -> Result<(), VmError> {
    // They are never set, so that any signal will do.
    timers([libc::SIGALRM; 2]).map(drop)
}

/// The timers that every guest stands on, with these signals.
fn timers([alarm, ender]: [i32; 2]) -> Result<[PosixTimer; 2], VmError> {
    let timer = |signal| PosixTimer::new(signal).map_err(no_timer);
    Ok([timer(alarm)?, timer(ender)?])
}

fn refused(source: io::Error) -> VmError {
    VmError::System("cannot run the guest", source)
}

/// Linux counts each timer as a signal that waits.
fn no_timer(source: io::Error) -> VmError {
    if source.raw_os_error() != Some(libc::EAGAIN) {
        return refused(source);
    }
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: a live variable.
    unsafe { libc::getrlimit(libc::RLIMIT_SIGPENDING, &mut limit) };
    VmError::PendingSignals { limit: limit.rlim_cur }
}

/// The stack on which this thread's signals are handled.
struct SignalStack {
    start: u64,
    /// `None`: nobody minds that ours stays.
    before: Option<libc::stack_t>,
}

impl SignalStack {
    /// This thread becomes that guest's.
    fn new(guest: &Guest, program: Program) -> io::Result<Self> {
        // SAFETY: a new mapping anywhere.
        let start = unsafe {
            rustix::mm::mmap_anonymous(
                ptr::null_mut(),
                SIGNAL_STACK,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        }?;
        let mut before = MaybeUninit::uninit();
        // While a handler runs, it is off: a guest that has set its own stack to somewhere in it is not taken for a
        // handler. Kernels before 4.7, and some that act as Linux, do not have that.
        let set = [SS_AUTODISARM, 0].into_iter().any(|ss_flags| {
            let stack = libc::stack_t {
                ss_sp: start,
                ss_flags,
                ss_size: SIGNAL_STACK,
            };
            // SAFETY: the memory stays mapped until the old stack is back.
            unsafe { libc::sigaltstack(&stack, before.as_mut_ptr()) == 0 }
        });
        if !set {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: filled in by the call that succeeded.
        let before = unsafe { before.assume_init() };
        let start = start as u64;
        let guest = ptr::from_ref(guest).cast_mut();
        STATE.guest.store(guest, Ordering::SeqCst);
        STATE.signal_stack.store(start, Ordering::SeqCst);
        let end = start + SIGNAL_STACK as u64;
        STATE.signal_stack_end.store(end, Ordering::SeqCst);
        let before = (program == Program::Shared).then_some(before);
        Ok(Self { start, before })
    }
}

impl Drop for SignalStack {
    fn drop(&mut self) {
        STATE.signal_stack.store(0, Ordering::SeqCst);
        STATE.signal_stack_end.store(0, Ordering::SeqCst);
        STATE.guest.store(ptr::null_mut(), Ordering::SeqCst);
        if let Some(before) = &self.before {
            // SAFETY: the old stack is this thread's; ours is not in use, since no handler runs.
            unsafe {
                libc::sigaltstack(before, ptr::null_mut());
                let _ = rustix::mm::munmap(self.start as *mut _, SIGNAL_STACK);
            }
        }
    }
}

/// Real-time priority for this thread as long as this lives; the threads that it starts meanwhile have it, too.
///
/// Nothing else on the machine then delays a guest's interrupts. The policy is SCHED_FIFO. A thread with it that never
/// waits takes a processor from everything else on the machine, but for what the kernel keeps back (5 % by default,
/// `sched_rt_runtime_us`).
#[derive(Debug)]
pub struct Realtime {
    policy: i32,
    before: libc::sched_param,
}

impl Realtime {
    /// Gives this thread `priority`, from 1 to 99; 99 is the highest.
    ///
    /// # Errors
    /// The system's: the priority is out of range, or the process lacks CAP_SYS_NICE and its limit (`ulimit -r`) is
    /// lower.
    pub fn enter(priority: u8) -> io::Result<Self> {
        let mut before = libc::sched_param { sched_priority: 0 };
        // SAFETY: no pointers; 0 is this thread.
        let policy = unsafe { libc::sched_getscheduler(0) };
        // SAFETY: a live variable; 0 is this thread.
        if policy < 0 || unsafe { libc::sched_getparam(0, &mut before) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let wanted = libc::sched_param {
            sched_priority: priority.into(),
        };
        // SAFETY: a live variable; 0 is this thread.
        match unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &wanted) } {
            0 => Ok(Self { policy, before }),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Realtime {
    fn drop(&mut self) {
        // SAFETY: a live variable; 0 is this thread. Going back is always permitted.
        unsafe { libc::sched_setscheduler(0, self.policy, &self.before) };
    }
}

/// A guest's end.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub exit: Exit,
    /// Where the guest was when it gave up, see [`Exit::Fatal`]; of a fault, its report says that.
    pub backtrace: Option<Backtrace>,
    /// What was counted.
    pub stats: Stats,
    /// Why output of the guest was lost, if any was.
    pub lost: Option<io::Error>,
    /// Why the guest could not have its input, if it has asked for it.
    pub unread: Option<io::Error>,
    /// Bytes of output for which there was no client, of a console that has clients.
    pub unread_output: u64,
    /// The core that was [asked for](super::Builder::core), or why it could not be written; `None` if none was due.
    pub core: Option<Result<PathBuf, CoreError>>,
    /// What the guest has done, if that was to be [recorded](super::Builder::trace).
    pub trace: Option<Trace>,
    /// Where its processor time has gone, if that was to be [sampled](super::Builder::profile).
    pub profile: Option<Profile>,
}

/// Code of a stop by which this host means that the guest's time is over; others are signals.
pub(super) const TIMED_OUT: i32 = 0;

/// As [`TIMED_OUT`]: that nobody lets the guest go on.
pub(super) const ABANDONED: i32 = -1;

/// How a guest ended.
#[derive(Debug)]
pub enum Exit {
    /// It is done; its exit status.
    Exit(i32),
    /// It asked for a reset.
    Reset,
    /// It could not go on; its own code.
    Fatal(i32),
    /// It called a function that nobody provides.
    Unbound(Box<Fault>),
    /// It did what it may not.
    Fault(Box<Fault>),
    /// It ran longer than it was given.
    Timeout,
    /// The host was asked to end by this signal.
    Signal(i32),
}

impl Exit {
    /// The core's end, with what is known of a fault.
    fn new(end: End, fault: Option<Fault>) -> Self {
        match (end.kind, fault.map(Box::new)) {
            (EndKind::Unbound, Some(fault)) => Self::Unbound(fault),
            (EndKind::Fault, Some(fault)) => Self::Fault(fault),
            (EndKind::Exit, _) => Self::Exit(end.code),
            (EndKind::Reset, _) => Self::Reset,
            (EndKind::Stopped, _) if end.code == TIMED_OUT => Self::Timeout,
            (EndKind::Stopped, _) => Self::Signal(end.code),
            (EndKind::Fatal | EndKind::Unbound | EndKind::Fault, _) => Self::Fatal(end.code),
        }
    }

    /// As an end of the core's.
    pub(super) const fn end(&self) -> End {
        match *self {
            Self::Exit(code) => End::new(EndKind::Exit, code),
            Self::Reset => End::new(EndKind::Reset, 0),
            Self::Fatal(code) => End::new(EndKind::Fatal, code),
            Self::Unbound(_) => End::new(EndKind::Unbound, 0),
            Self::Fault(_) => End::new(EndKind::Fault, 0),
            Self::Timeout => End::new(EndKind::Stopped, TIMED_OUT),
            Self::Signal(signal) => End::new(EndKind::Stopped, signal),
        }
    }

    /// Returns whether a core is due: it is no exit, and not for want of a reader of its output.
    #[must_use]
    pub const fn leaves_core(&self) -> bool {
        !matches!(self, Self::Exit(_) | Self::Signal(libc::SIGPIPE))
    }

    /// The exit status of `pvhost run`.
    #[must_use]
    pub const fn status(&self) -> u8 {
        match self {
            Self::Timeout => 124,
            Self::Signal(signal) => 128 | *signal as u8,
            other => other.end().status(),
        }
    }
}

/// What was counted while the guest ran. [`fmt::Display`] prints it as a table.
#[derive(Clone, Debug)]
pub struct Stats {
    /// External functions in the order of their slots, with the number of calls.
    pub calls: Vec<(String, u64)>,
    /// Expirations of each timer, overruns included.
    pub expirations: [u64; TIMERS as usize],
    /// Expirations that came together with an earlier one of the same timer, because the host was late by a period or
    /// more.
    pub overruns: u64,
    /// Upcalls delivered.
    pub upcalls: u64,
    /// Interrupts for which the guest had no handler.
    pub spurious: u64,
    /// Calls of `pv_cpu_idle`.
    pub idles: u64,
    /// Guest time spent in them.
    pub idle: Duration,
    /// How often guest time has stepped ahead, because the processor's counter and the system's clock drifted apart, as
    /// when the machine is suspended. Guest time never steps back, so it stays ahead.
    pub clock_steps: u64,
    /// By how much in all.
    pub clock_stepped: Duration,
    /// Guest time at the end.
    pub guest_time: Duration,
    /// Whether another run would be the same.
    pub repeatable: Repeatable,
    /// What kept the guest's code from calling Linux.
    pub confinement: Confinement,
    /// What was used of the stacks, or why that is not known; `None`: [not asked for](super::Builder::stack_check).
    pub stacks: Option<Result<Vec<StackUse>, TasksError>>,
}

impl Stats {
    fn new(
        guest: &Guest,
        image: &Image,
        exit: &Exit,
        confinement: Confinement,
        stacks: Option<Result<Vec<StackUse>, TasksError>>,
    ) -> Self {
        let calls = guest.functions().map(|function| function.map_or(0, Function::calls));
        let names = image.externals().iter();
        let (idles, idle_ns) = guest.platform().idle();
        let clock = &guest.platform().schedule.clock;
        let steps = clock.jumps();
        Self {
            calls: names
                .zip(calls)
                .map(|(external, calls)| (external.name.clone(), calls))
                .collect(),
            expirations: guest.page().expirations(),
            overruns: guest.overruns(),
            upcalls: guest.upcalls().into(),
            spurious: guest.page().spurious().into(),
            idles,
            idle: Duration::from_nanos(idle_ns),
            clock_steps: steps.count,
            clock_stepped: Duration::from_nanos(steps.ns),
            guest_time: Duration::from_nanos(clock.now()),
            repeatable: match (exit, guest.platform().schedule.repeatable()) {
                (Exit::Timeout | Exit::Signal(_), Repeatable::Yes) => Repeatable::Stopped,
                (_, repeatable) => repeatable,
            },
            confinement,
            stacks,
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: u64| writeln!(f, "{name:<24} {value:>12}");
        for (name, calls) in &self.calls {
            row(name, *calls)?;
        }
        for (timer, &expirations) in self.expirations.iter().enumerate() {
            if expirations != 0 {
                row(&format!("timer {timer} expirations"), expirations)?;
            }
        }
        row("overruns", self.overruns)?;
        row("upcalls", self.upcalls)?;
        row("spurious", self.spurious)?;
        row("idle calls", self.idles)?;
        row("idle ms", self.idle.as_millis() as u64)?;
        if self.clock_steps != 0 {
            row("clock steps", self.clock_steps)?;
            row("clock stepped ms", self.clock_stepped.as_millis() as u64)?;
        }
        row("guest time ms", self.guest_time.as_millis() as u64)?;
        match self.repeatable {
            Repeatable::NotAsked => {}
            Repeatable::Yes => writeln!(f, "{:<24} {:>12}", "repeatable", "yes")?,
            other => writeln!(f, "{:<24} {:>12}: {}", "repeatable", "no", other.reason())?,
        }
        writeln!(f, "{:<24} {:>12}", "sandbox", self.confinement)?;
        for stack in self.stacks.iter().flatten().flatten() {
            let name = format!("stack of {}", Escaped(&stack.name));
            let overflowed = if stack.overflowed { ", overflowed" } else { "" };
            writeln!(f, "{name:<24} {:>12} of {}{overflowed}", stack.used, stack.size())?;
        }
        Ok(())
    }
}
