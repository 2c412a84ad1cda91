// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clock, and timers that are looked at.
//!
//! The kernel's clock counts interrupts of its interval timer, one each 9.2 us on x86 (1 ms with the fork), so
//! that is the resolution.

use super::{console, irq, kernel};
use crate::backend::entry;
use crate::backend::timers::{self, NEVER};
use crate::local::Local;

crate::in_guest_functions! {
    pub(super) const FUNCTIONS = { pv_clock_now = clock_now, pv_timer_start = start, pv_timer_stop = stop };
}

/// The kernel's time at the guest's start, in ns.
static ZERO: Local<u64> = Local::new(0);
/// The next deadline of the guest's timers, in ns of guest time; [`NEVER`] if no timer runs.
static DEADLINE: Local<u64> = Local::new(NEVER);

static SOURCE: timers::Source = timers::Source {
    now,
    // SAFETY: interrupts come in the loop of idle alone, if at all, and touch nothing of this.
    arm: |deadline| unsafe { DEADLINE.set_large(deadline) },
};

pub(super) fn start_clock() {
    // SAFETY: at the start, before the first interrupt.
    unsafe { ZERO.set_large(read()) };
    // SAFETY: they ask the kernel for the time and keep a number.
    unsafe { timers::set_source(&SOURCE) };
}

/// The kernel's time in ns since it was started.
fn read() -> u64 {
    kernel::clock().unwrap_or(0) * kernel::current().clock_unit
}

/// Guest time in ns.
pub(super) extern "C" fn now() -> u64 {
    read() - ZERO.get()
}

pub(super) extern "C" fn clock_now() -> u64 {
    let now = now();
    expire_until(now);
    console::find();
    entry::deliver();
    now
}

pub(super) extern "C" fn start(timer: u32, first: u64, period: u64) -> i32 {
    let result = timers::start(timer, first, period);
    irq::poll();
    result
}

pub(super) extern "C" fn stop(timer: u32) -> i32 {
    let result = timers::stop(timer);
    irq::poll();
    result
}

/// The next deadline in ns of guest time; [`NEVER`] if no timer runs.
pub(super) fn deadline() -> u64 {
    DEADLINE.get()
}

/// Handles what is due. Without a timer that runs, the kernel is not asked.
pub(super) fn find() {
    if deadline() != NEVER {
        expire_until(now());
    }
}

fn expire_until(now: u64) {
    if now >= deadline() {
        // SAFETY: handlers run at the end of this backend's functions only, never amid this.
        unsafe { timers::expire() };
    }
}
