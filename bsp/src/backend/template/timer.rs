// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clock, and timers that are looked at.

use core::sync::atomic::{AtomicU64, Ordering};

use paravirt_bsp::backend::timers::{self, NEVER};

use super::{hypervisor, irq};

paravirt_bsp::in_guest_functions! {
    pub(super) const FUNCTIONS = { pv_clock_now = now, pv_timer_start = start, pv_timer_stop = stop };
}

/// The hypervisor's clock at the guest's start, in ns.
static ZERO: AtomicU64 = AtomicU64::new(0);
/// The next deadline of the guest's timers, in ns of guest time; [`NEVER`] if no timer runs.
static DEADLINE: AtomicU64 = AtomicU64::new(NEVER);

static SOURCE: timers::Source = timers::Source {
    now: guest_time,
    arm: |deadline| DEADLINE.store(deadline, Ordering::Relaxed),
};

pub(super) fn start_clock() {
    ZERO.store(hypervisor::clock(), Ordering::Relaxed);
    // SAFETY: they ask the hypervisor for the time and keep a number.
    unsafe { timers::set_source(&SOURCE) };
}

/// ns since the guest's start.
extern "C" fn guest_time() -> u64 {
    hypervisor::clock() - ZERO.load(Ordering::Relaxed)
}

pub(super) extern "C" fn now() -> u64 {
    irq::poll();
    guest_time()
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

/// The next deadline on the hypervisor's clock.
pub(super) fn deadline() -> u64 {
    DEADLINE
        .load(Ordering::Relaxed)
        .saturating_add(ZERO.load(Ordering::Relaxed))
}

/// Handles what is due.
pub(super) fn find() {
    if DEADLINE.load(Ordering::Relaxed) <= guest_time() {
        // SAFETY: handlers run at the end of this backend's functions only, never amid this.
        unsafe { timers::expire() };
    }
}
