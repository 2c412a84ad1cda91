// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time: that of the guest, in one of several ways, and the two POSIX timers of a run.

mod clock;
mod counter;
mod mode;
mod processor;
mod steps;
mod timers;

pub(super) use clock::Clock;
pub use mode::{Ratio, Slowdown, Steps, Time, TimeError};
pub(super) use steps::StepClock;
pub(super) use timers::{Alarm, Ender, PosixTimer};

/// ns in a second.
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

/// Processor time of this thread in ns.
pub(super) fn processor_time() -> u64 {
    read_clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// The host's wall clock: Unix time in ns.
pub(super) fn wall() -> u64 {
    read_clock(libc::CLOCK_REALTIME)
}

fn read_clock(clock: libc::clockid_t) -> u64 {
    let mut time = timespec(0);
    // SAFETY: points to a live variable; these clocks always exist.
    unsafe { libc::clock_gettime(clock, &mut time) };
    time.tv_sec as u64 * NS_PER_SECOND + time.tv_nsec as u64
}
