// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time: that of the guest, by the clock in the vCPU page which it reads without a call, and the two POSIX timers of a
//! run.
//!
//! What the page's clock shows is [`Anchor`]'s to say; here are the readings for it. The page's clock starts invalid,
//! because the counter's rate is not known until some time has passed.
//!
//! The timers are the alarm, on which the guest's timers and the samples of its clock stand, and the one that ends it.
//! Both are made before the guest starts, so what the system refuses it refuses then. They signal the vCPU's thread.

use std::arch::x86_64::_rdtsc;
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::mem;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering, compiler_fence};

use paravirt_host_core::clock::{Anchor, ClockFields, Sample, Steps};
use paravirt_host_core::page::Page;
use paravirt_host_core::timers::NEVER;

use super::dispositions;
use super::lines::INTERVAL;

/// The tightest of a few readings, so that an interruption between the clocks does no harm.
fn sample(counter: fn() -> u64) -> Sample {
    let read = || Sample {
        before: monotonic(),
        counter: counter(),
        after: monotonic(),
    };
    (0..4).map(|_| read()).min_by_key(Sample::width).unwrap_or_else(read)
}

/// Of the counter, if it may be read.
fn first_sample(usable: bool) -> Sample {
    sample(if usable { tsc } else { || 0 })
}

/// Guest time.
pub(super) struct Clock {
    anchor: Cell<Anchor>,
    /// What the page's clock shows: the anchor's.
    fields: Cell<Option<ClockFields>>,
    /// Counts changes of both, for readers that a signal interrupts.
    generation: AtomicU32,
    /// Whether the counter may be read.
    usable: bool,
}

impl Clock {
    /// Guest time starts now.
    pub(super) fn new() -> Self {
        let usable = usable();
        Self {
            anchor: Cell::new(Anchor::new(first_sample(usable))),
            fields: Cell::new(None),
            generation: AtomicU32::new(0),
            usable,
        }
    }

    /// Guest time starts now instead, as long as nobody has [taken a sample](Self::sample).
    pub(super) fn restart(&self) {
        self.anchor.set(Anchor::new(first_sample(self.usable)));
    }

    /// Time in ns from now to the next sample; `None`: the page's clock is not kept.
    pub(super) fn pause(&self) -> Option<u64> {
        self.usable.then(|| self.anchor.get().pause())
    }

    /// Guest time in ns, by the same clock that the guest reads.
    pub(super) fn now(&self) -> u64 {
        loop {
            let generation = self.generation.load(Ordering::Relaxed);
            compiler_fence(Ordering::SeqCst);
            let time = match self.fields.get() {
                Some(fields) => fields.at(tsc()),
                None => self.anchor.get().time(monotonic()),
            };
            compiler_fence(Ordering::SeqCst);
            if self.generation.load(Ordering::Relaxed) == generation {
                return time;
            }
        }
    }

    /// Anchors the clock anew. For the signal handler, on the vCPU's thread.
    pub(super) fn sample(&self, page: Page) {
        let mut anchor = self.anchor.get();
        anchor.sample(sample(tsc));
        let fields = anchor.fields();
        self.anchor.set(anchor);
        self.fields.set(fields);
        self.generation.fetch_add(1, Ordering::Relaxed);
        match fields {
            Some(fields) => page.set_clock(&fields),
            None => page.clear_clock(),
        }
    }

    /// Steps of guest time until now.
    pub(super) fn steps(&self) -> Steps {
        self.anchor.get().steps()
    }
}

fn tsc() -> u64 {
    // SAFETY: every x86-64 processor has the counter, and `usable` has found that this process may read it.
    unsafe { _rdtsc() }
}

/// Returns whether the counter is a clock, by the word of the kernel: it takes the time from it itself. A processor
/// that says that its counter is invariant does not know of others in the machine, of firmware that sets it, and of the
/// hypervisor. Where the kernel says nothing, the guest calls.
fn usable() -> bool {
    const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    // Longer than any name; the kernel gives it at once.
    let mut name = [0; 64];
    let read = File::open(SOURCE).and_then(|mut file| file.read(&mut name));
    read.is_ok_and(|length| is_counter(&name[..length]))
}

/// Returns whether that is the name of the counter as the kernel's clock source, where it has taken it for good.
fn is_counter(source: &[u8]) -> bool {
    source.trim_ascii() == b"tsc"
}

const NS_PER_SECOND: u64 = 1_000_000_000;

/// For system calls.
pub(super) fn timespec(ns: u64) -> libc::timespec {
    libc::timespec {
        tv_sec: (ns / NS_PER_SECOND) as i64,
        tv_nsec: (ns % NS_PER_SECOND) as i64,
    }
}

/// The host's monotonic clock in ns.
pub(super) fn monotonic() -> u64 {
    read_clock(libc::CLOCK_MONOTONIC)
}

/// The host's wall clock: Unix time in ns.
pub(super) fn wall() -> u64 {
    read_clock(libc::CLOCK_REALTIME)
}

fn read_clock(clock: libc::clockid_t) -> u64 {
    let mut time = timespec(0);
    // SAFETY: points to a live variable; these two clocks always exist.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * NS_PER_SECOND + time.tv_nsec as u64
}

/// The kernel's number of a POSIX timer.
type Number = i32;

/// A POSIX timer on the monotonic clock.
#[derive(Debug)]
pub(super) struct PosixTimer(Number);

impl PosixTimer {
    /// A timer that sends `signal` to this thread.
    pub(super) fn new(signal: i32) -> io::Result<Self> {
        // SAFETY: all zeros is a valid value of this C struct.
        let mut event: libc::sigevent = unsafe { mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        event.sigev_notify_thread_id = dispositions::this_thread();
        let (clock, mut number) = (libc::CLOCK_MONOTONIC, 0 as Number);
        // SAFETY: both point to live variables, of the types that the kernel has for them.
        let result = unsafe { libc::syscall(libc::SYS_timer_create, clock, &raw mut event, &raw mut number) };
        if result == 0 {
            Ok(Self(number))
        } else {
            Err(io::Error::last_os_error())
        }
    }
}

impl Drop for PosixTimer {
    fn drop(&mut self) {
        // SAFETY: no pointers; the timer is ours and is not used again.
        unsafe { libc::syscall(libc::SYS_timer_delete, self.0) };
    }
}

/// Sets a timer: at `at` ns of the monotonic clock, at once if that has passed, and then every `period` ns; [`NEVER`]
/// stops it, 0 as a period is once. At any instruction; a timer that there is not is left alone.
fn set(timer: Number, at: u64, period: u64) {
    let value = match at {
        NEVER => timespec(0),
        // Zero would stop it.
        at => timespec(at.max(1)),
    };
    let setting = libc::itimerspec {
        it_value: value,
        it_interval: timespec(period),
    };
    let (absolute, none) = (libc::TIMER_ABSTIME, ptr::null_mut::<libc::itimerspec>());
    // SAFETY: the setting is live, and nothing is written.
    unsafe { libc::syscall(libc::SYS_timer_settime, timer, absolute, &raw const setting, none) };
}

/// What the alarm has come for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    /// The guest's timers.
    pub(super) timers: bool,
    /// A sample of the guest's clock.
    pub(super) sample: bool,
}

/// The vCPU thread's alarm. Times are ns of the monotonic clock.
///
/// The handler of its signal may interrupt the functions here at any instruction. What they then miss is a later time:
/// the alarm comes early, and is set anew.
#[derive(Debug)]
pub(super) struct Alarm {
    timer: Cell<Option<Number>>,
    /// When the guest's next timer is due.
    timers: Cell<u64>,
    /// When the guest's clock is to be sampled next.
    sample: Cell<u64>,
    /// Not before: the guest's main loop must go on, and other signals come through, however many timers are due.
    earliest: Cell<u64>,
    /// Whether the alarm is being handled, and will be set at the end of that.
    handled: Cell<bool>,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            timer: Cell::new(None),
            timers: Cell::new(NEVER),
            sample: Cell::new(NEVER),
            earliest: Cell::new(0),
            handled: Cell::new(false),
        }
    }
}

impl Alarm {
    /// From now on it comes by that timer; `None`: no more.
    pub(super) fn use_timer(&self, timer: Option<&PosixTimer>) {
        self.timer.set(timer.map(|timer| timer.0));
        self.arm();
    }

    /// Sets when the guest's next timer is due.
    pub(super) fn set_timers(&self, at: u64) {
        self.timers.set(at);
        self.arm();
    }

    /// Sets when the guest's clock is to be sampled next.
    pub(super) fn set_sample(&self, at: u64) {
        self.sample.set(at);
        self.arm();
    }

    /// For the handler of the alarm's signal: calls `handle` with what is due, which sets when that is next. Until then
    /// it is not.
    pub(super) fn handle(&self, handle: impl FnOnce(Due)) {
        self.handled.set(true);
        let now = monotonic();
        let is_due = |time: &Cell<u64>| {
            let is_due = time.get() <= now;
            if is_due {
                time.set(NEVER);
            }
            is_due
        };
        handle(Due {
            timers: is_due(&self.timers),
            sample: is_due(&self.sample),
        });
        self.handled.set(false);
        self.earliest.set(monotonic() + INTERVAL.as_nanos() as u64);
        self.arm();
    }

    fn arm(&self) {
        if let Some(timer) = self.timer.get().filter(|_| !self.handled.get()) {
            let due = self.timers.get().min(self.sample.get());
            set(timer, due.max(self.earliest.get()), 0);
        }
    }
}

/// Interrupts the vCPU's thread again and again from its guest's time limit on, or from when somebody asked for its
/// end, until the guest has been left. Once is not enough: a system call may be about to begin that waits for ever.
#[derive(Debug)]
pub(super) struct Ender {
    timer: Cell<Option<Number>>,
    /// When the guest's time is over, in ns of the monotonic clock.
    limit: Cell<u64>,
}

impl Default for Ender {
    fn default() -> Self {
        Self {
            timer: Cell::new(None),
            limit: Cell::new(NEVER),
        }
    }
}

impl Ender {
    /// Time between two interruptions, in ns.
    const PERIOD: u64 = 10_000_000;

    /// From now on it has that timer; `None`: none. `limit`: when the guest's time is over.
    pub(super) fn use_timer(&self, timer: Option<&PosixTimer>, limit: u64) {
        self.timer.set(timer.map(|timer| timer.0));
        self.limit.set(limit);
        self.begin(limit);
    }

    /// Begins at once. For signal handlers.
    pub(super) fn hurry(&self) {
        self.begin(0);
    }

    /// Returns whether the guest's time is over.
    pub(super) fn is_over(&self) -> bool {
        monotonic() >= self.limit.get()
    }

    fn begin(&self, at: u64) {
        if let Some(timer) = self.timer.get() {
            set(timer, at, Self::PERIOD);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_a_clock_only_where_the_kernel_says_so() {
        let says = |source: &str| is_counter(source.as_bytes());
        assert!(says("tsc\n"));
        for other in ["hpet\n", "acpi_pm\n", "kvm-clock\n", "tsc-early\n", "\n", ""] {
            assert!(!says(other), "{other:?}");
        }
    }
}
