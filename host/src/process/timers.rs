// SPDX-License-Identifier: MIT OR Apache-2.0
//! Timers of this process that signal the vCPU's thread, and its clocks.

use std::ptr;

use super::signals;

const NS_PER_SECOND: u64 = 1_000_000_000;

/// A POSIX timer on the monotonic clock.
#[derive(Debug)]
pub(super) struct PosixTimer(libc::timer_t);

impl PosixTimer {
    /// A timer that sends `signal` to this thread.
    pub(super) fn new(signal: i32) -> Option<Self> {
        // SAFETY: all zeros is a valid value of this C struct.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        event.sigev_notify_thread_id = signals::this_thread();
        let mut timer = ptr::null_mut();
        // SAFETY: both point to live variables.
        let result = unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &mut event, &mut timer) };
        (result == 0).then_some(Self(timer))
    }

    /// Starts the timer anew. `first`: ns from now; `period`: ns, 0 for once. Times that the kernel cannot count end at its
    /// limit, centuries from now.
    pub(super) fn start(&self, first: u64, period: u64) -> bool {
        let now = monotonic();
        let setting = libc::itimerspec {
            it_value: timespec(now.saturating_add(first).max(1)),
            it_interval: timespec(period),
        };
        self.set(libc::TIMER_ABSTIME, &setting)
    }

    pub(super) fn stop(&self) -> bool {
        let never = libc::itimerspec {
            it_value: timespec(0),
            it_interval: timespec(0),
        };
        self.set(0, &never)
    }

    fn set(&self, flags: i32, setting: &libc::itimerspec) -> bool {
        // SAFETY: the timer exists, and the setting is live.
        unsafe { libc::timer_settime(self.0, flags, setting, ptr::null_mut()) == 0 }
    }
}

impl Drop for PosixTimer {
    fn drop(&mut self) {
        // SAFETY: the timer exists and is not used again.
        unsafe { libc::timer_delete(self.0) };
    }
}

fn timespec(ns: u64) -> libc::timespec {
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
