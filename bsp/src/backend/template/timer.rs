// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clock, and timers that are looked at.

use super::{hypervisor, irq};
use crate::backend::timers;
use crate::local::Local;

/// The hypervisor's clock at the guest's start, in ns.
static ZERO: Local<u64> = Local::new(0);
/// The next deadline of the guest's timers, in ns of guest time.
static DEADLINE: Local<u64> = Local::new(u64::MAX);

static SOURCE: timers::Source = timers::Source {
    now: guest_time,
    arm: |deadline| DEADLINE.set(deadline),
    disarm: || DEADLINE.set(u64::MAX),
};

pub(super) fn start_clock() {
    ZERO.set(hypervisor::clock());
    timers::set_source(&SOURCE);
}

/// ns since the guest's start.
extern "C" fn guest_time() -> u64 {
    hypervisor::clock() - ZERO.get()
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
    DEADLINE.get().saturating_add(ZERO.get())
}

/// Handles what is due.
pub(super) fn find() {
    if DEADLINE.get() <= guest_time() {
        timers::expire();
    }
}
