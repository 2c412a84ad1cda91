// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks, and timers as POSIX timers of the monotonic clock.

use paravirt_abi::error::Error;
use paravirt_abi::line::TIMERS;

use super::syscall::{
    CLOCK_GETTIME, CLOCK_MONOTONIC, CLOCK_REALTIME, OVERRUN, SIGNAL_TIMER, TIMER_CREATE,
    TIMER_SETTIME, Timespec, syscall3, syscall4,
};
use super::vdso::{self, ClockGettime};
use crate::local::Local;
use crate::vcpu;

/// Monotonic time of Linux at the guest's start, in ns.
static ZERO: Local<u64> = Local::new(0);
/// The kernel's identifiers, plus one; 0 where a timer was never started.
static KERNEL_TIMERS: [Local<i32>; TIMERS as usize] = [const { Local::new(0) }; TIMERS as usize];

/// A first expiration of 0 would disarm the timer.
const SHORTEST_NS: u64 = 1;
/// Shortest period in ns: below it, signals leave no time for anything else.
const SHORTEST_PERIOD: u64 = 10_000;
/// `KTIME_MAX`, the kernel's longest time in ns: centuries from now.
const LONGEST_NS: u64 = i64::MAX as u64;

/// `struct itimerspec` with 64-bit seconds.
#[repr(C)]
struct Times {
    period: Timespec,
    first: Timespec,
}

/// How a clock is read.
static GETTIME: Local<ClockGettime> = Local::new(ask);

/// Starts the guest's clock.
///
/// # Safety
/// `stack` must be the initial stack of a Linux program.
pub(super) unsafe fn start_clock(stack: *const usize) {
    // SAFETY: passed on.
    if let Some(function) = unsafe { vdso::start(stack) } {
        GETTIME.set(function);
    }
    ZERO.set(read(CLOCK_MONOTONIC));
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

pub(super) extern "C" fn start(timer: u32, first: u64, period: u64) -> i32 {
    if period != 0 && period < SHORTEST_PERIOD {
        return Error::InvalidArgument.number();
    }
    set(
        timer,
        first.clamp(SHORTEST_NS, LONGEST_NS),
        period.min(LONGEST_NS),
    )
}

pub(super) extern "C" fn stop(timer: u32) -> i32 {
    set(timer, 0, 0)
}

fn set(timer: u32, first: u64, period: u64) -> i32 {
    let Some(identifier) = KERNEL_TIMERS.get(timer as usize) else {
        return Error::NoSuchDevice.number();
    };
    if identifier.get() == 0 {
        if first == 0 {
            return 0;
        }
        let Some(created) = create(timer) else {
            return Error::Device.number();
        };
        identifier.set(created + 1);
    }
    let times = Times {
        period: Timespec::from_ns(period),
        first: Timespec::from_ns(first),
    };
    // SAFETY: times relative to now, in a struct that lives through the call.
    let error = unsafe {
        syscall4(
            TIMER_SETTIME,
            (identifier.get() - 1) as usize,
            0,
            &raw const times as usize,
            0,
        )
    };
    if error < 0 {
        Error::InvalidArgument.number()
    } else {
        0
    }
}

/// A POSIX timer whose signal carries the number of ours.
fn create(timer: u32) -> Option<i32> {
    /// `struct sigevent`, 64 bytes: value, signal, SIGEV_SIGNAL.
    #[repr(C)]
    struct Event {
        value: usize,
        signal: u32,
        notify: u32,
        rest: [u32; 12],
    }
    let event = Event {
        value: timer as usize,
        signal: SIGNAL_TIMER,
        notify: 0,
        rest: [0; 12],
    };
    let mut identifier: i32 = 0;
    // SAFETY: both structs live through the call.
    let error = unsafe {
        syscall3(
            TIMER_CREATE,
            CLOCK_MONOTONIC,
            &raw const event as usize,
            &raw mut identifier as usize,
        )
    };
    (error == 0).then_some(identifier)
}

/// Counts the expirations that one signal stands for.
///
/// # Safety
/// `info` must be the `siginfo_t` of a signal of one of these timers.
pub(super) unsafe fn expired(info: *const u8) {
    // SAFETY: the layout of a timer's siginfo: the overrun count, then the value that `create` set.
    let (overrun, timer) = unsafe {
        (
            info.add(OVERRUN).cast::<i32>().read(),
            info.add(OVERRUN + 4).cast::<u32>().read(),
        )
    };
    if timer < TIMERS {
        let counter = vcpu::timer_expirations(timer);
        counter.write(counter.read() + 1 + u64::from(overrun.unsigned_abs()));
    }
}
