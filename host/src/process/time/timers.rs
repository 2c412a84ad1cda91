// SPDX-License-Identifier: MIT OR Apache-2.0
//! The two POSIX timers of a run: the alarm, on which the guest's timers stand, and the one that ends it. Both are made
//! before the guest starts, so what the system refuses it refuses then. They signal the vCPU's thread.

use std::cell::Cell;
use std::io;
use std::mem;
use std::ptr;
use std::time::Duration;

use paravirt_host_core::timers::NEVER;

use super::super::dispositions;
use super::super::lines::INTERVAL;
use super::{monotonic, processor_time, timespec};

/// The kernel's number of a POSIX timer.
type Number = i32;

/// A POSIX timer.
#[derive(Debug)]
pub(in crate::process) struct PosixTimer(Number);

impl PosixTimer {
    /// A timer that sends `signal` to this thread.
    pub(in crate::process) fn new(signal: i32) -> io::Result<Self> {
        Self::on(libc::CLOCK_MONOTONIC, signal)
    }

    /// A timer that sends `signal` to this thread each time when that has used so much processor time.
    pub(in crate::process) fn of_processor_time(signal: i32, period: Duration) -> io::Result<Self> {
        let timer = Self::on(libc::CLOCK_THREAD_CPUTIME_ID, signal)?;
        let period = period.as_nanos() as u64;
        set(timer.0, processor_time().saturating_add(period), period);
        Ok(timer)
    }

    fn on(clock: libc::clockid_t, signal: i32) -> io::Result<Self> {
        // SAFETY: all zeros is a valid value of this C struct.
        let mut event: libc::sigevent = unsafe { mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        event.sigev_notify_thread_id = dispositions::this_thread();
        let mut number: Number = 0;
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
pub(in crate::process) struct Due {
    /// The guest's timers.
    pub(in crate::process) timers: bool,
    /// A look at the guest and its clock.
    pub(in crate::process) look: bool,
}

/// The vCPU thread's alarm. Times are ns of the monotonic clock.
///
/// The handler of its signal may interrupt the functions here at any instruction. What they then miss is a later time:
/// the alarm comes early, and is set anew.
#[derive(Debug)]
pub(in crate::process) struct Alarm {
    timer: Cell<Option<Number>>,
    /// When the guest's next timer is due.
    timers: Cell<u64>,
    /// When the guest and its clock are to be looked at next.
    look: Cell<u64>,
    /// Not before: the guest's main loop must go on, and other signals come through, however many timers are due.
    earliest: Cell<u64>,
    /// Whether the alarm is being handled, and will be set at the end of that.
    handled: Cell<bool>,
    /// What it is set to: until then it need not be set to a later time.
    set: Cell<u64>,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            timer: Cell::new(None),
            timers: Cell::new(NEVER),
            look: Cell::new(NEVER),
            earliest: Cell::new(0),
            handled: Cell::new(false),
            set: Cell::new(NEVER),
        }
    }
}

impl Alarm {
    /// From now on it comes by that timer; `None`: no more.
    pub(in crate::process) fn use_timer(&self, timer: Option<&PosixTimer>) {
        self.timer.set(timer.map(|timer| timer.0));
        self.set.set(NEVER);
        self.arm();
    }

    /// Sets when the guest's next timer is due.
    pub(in crate::process) fn set_timers(&self, at: u64) {
        self.timers.set(at);
        self.arm();
    }

    /// Sets when the guest and its clock are to be looked at next.
    pub(in crate::process) fn set_look(&self, at: u64) {
        self.look.set(at);
        self.arm();
    }

    /// For the handler of the alarm's signal: calls `handle` with what is due, which sets when that is next. Until then
    /// it is not.
    pub(in crate::process) fn handle(&self, handle: impl FnOnce(Due)) {
        self.handled.set(true);
        self.set.set(NEVER);
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
            look: is_due(&self.look),
        });
        self.handled.set(false);
        self.earliest.set(monotonic() + INTERVAL.as_nanos() as u64);
        self.arm();
    }

    fn arm(&self) {
        if let Some(timer) = self.timer.get().filter(|_| !self.handled.get()) {
            let due = self.timers.get().min(self.look.get());
            let due = due.max(self.earliest.get());
            // A handler that comes here sets it to the same time or a later one; then this comes earlier.
            if due < self.set.get() {
                self.set.set(due);
                set(timer, due, 0);
            }
        }
    }
}

/// Interrupts the vCPU's thread again and again from its guest's time limit on, or from when somebody asked for its
/// end, until the guest has been left. Once is not enough: a system call may be about to begin that waits for ever.
#[derive(Debug)]
pub(in crate::process) struct Ender {
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
    pub(in crate::process) fn use_timer(&self, timer: Option<&PosixTimer>, limit: u64) {
        self.timer.set(timer.map(|timer| timer.0));
        self.limit.set(limit);
        self.begin(limit);
    }

    /// The guest has stood for `ns`, which is not of its time. For signal handlers.
    pub(in crate::process) fn stood(&self, ns: u64) {
        let limit = self.limit.get();
        if limit != NEVER {
            self.limit.set(limit.saturating_add(ns));
            self.begin(self.limit.get());
        }
    }

    /// Begins at once. For signal handlers.
    pub(in crate::process) fn hurry(&self) {
        self.begin(0);
    }

    /// Returns whether the guest's time is over.
    pub(in crate::process) fn is_over(&self) -> bool {
        monotonic() >= self.limit.get()
    }

    fn begin(&self, at: u64) {
        if let Some(timer) = self.timer.get() {
            set(timer, at, Self::PERIOD);
        }
    }
}
