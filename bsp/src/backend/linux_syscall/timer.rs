// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks, and the POSIX timer of the monotonic clock below all timers of the guest.

use super::syscall::{
    CLOCK_GETTIME, CLOCK_MONOTONIC, CLOCK_REALTIME, SIGNAL_TIMER, TIMER_CREATE, TIMER_SETTIME, Timespec, syscall3,
    syscall4,
};
use super::vdso::{self, ClockGettime};
use crate::backend::timers;
use crate::local::Local;

crate::in_guest_functions! { pub(super) const FUNCTIONS = { pv_clock_now = now, pv_clock_wall = wall }; }

/// Monotonic time of Linux at the guest's start, in ns.
static ZERO: Local<u64> = Local::new(0);
/// The kernel's identifier of its timer.
static KERNEL_TIMER: Local<i32> = Local::new(0);

static SOURCE: timers::Source = timers::Source { now, arm };

/// How a clock is read.
static GETTIME: Local<ClockGettime> = Local::new(ask);

/// Starts guest time and makes the kernel's timer. If the kernel gives none, the guest has a clock and no timers.
///
/// # Safety
/// `stack` must be the initial stack of a Linux program.
pub(super) unsafe fn start_clock(stack: *const usize) {
    /// `struct sigevent`, 64 bytes: value, signal, SIGEV_SIGNAL.
    #[repr(C)]
    struct Event {
        value: usize,
        signal: u32,
        notify: u32,
        rest: [u32; 12],
    }
    static EVENT: Event = Event {
        value: 0,
        signal: SIGNAL_TIMER,
        notify: 0,
        rest: [0; 12],
    };
    // SAFETY: passed on.
    if let Some(function) = unsafe { vdso::start(stack) } {
        GETTIME.set(function);
    }
    // SAFETY: at the start, before the first interrupt.
    unsafe { ZERO.set_large(read(CLOCK_MONOTONIC)) };
    // SAFETY: an event and room for an identifier, which live through the call.
    let error = unsafe {
        syscall3(
            TIMER_CREATE,
            CLOCK_MONOTONIC,
            &raw const EVENT as usize,
            KERNEL_TIMER.as_ptr() as usize,
        )
    };
    if error == 0 {
        // SAFETY: they make system calls.
        unsafe { timers::set_source(&SOURCE) };
    }
}

/// Reads a clock by a system call.
unsafe extern "C" fn ask(clock: usize, time: *mut Timespec) -> i32 {
    // SAFETY: the caller answers for the timespec.
    unsafe { syscall3(CLOCK_GETTIME, clock, time as usize, 0) as i32 }
}

pub(super) extern "C" fn now() -> u64 {
    read(CLOCK_MONOTONIC) - ZERO.get()
}

pub(super) extern "C" fn wall() -> u64 {
    read(CLOCK_REALTIME)
}

#[inline(never)] // four calls of it, and the guest is small
fn read(clock: usize) -> u64 {
    let mut time = Timespec::default();
    // SAFETY: a timespec, which lives through the call.
    unsafe { GETTIME.get()(clock, &raw mut time) };
    time.ns()
}

/// Sets the kernel's timer to that guest time. What is beyond the kernel's longest time, 2^63 ns, ends there, so it
/// needs no stop.
fn arm(deadline: u64) {
    /// `TIMER_ABSTIME`.
    const ABSOLUTE: usize = 1;
    /// `struct itimerspec` with 64-bit seconds.
    #[repr(C)]
    struct Times {
        period: Timespec,
        first: Timespec,
    }
    let times = Times {
        period: Timespec::default(),
        first: Timespec::from_ns(deadline.saturating_add(ZERO.get())),
    };
    // SAFETY: the times live through the call.
    unsafe {
        syscall4(
            TIMER_SETTIME,
            KERNEL_TIMER.get() as usize,
            ABSOLUTE,
            &raw const times as usize,
            0,
        )
    };
}
