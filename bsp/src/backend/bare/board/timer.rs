// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clock and the one-shot timer below all timers of the guest: the processor's.

use super::start::refuse;
use crate::el1::timer;
use crate::local::Local;

/// Rate of the counter in Hz.
static RATE: Local<u64> = Local::new(0);

/// Takes the counter's rate: the device tree's, where it says one because the firmware does not, else the processor's.
pub(super) fn set_rate(rate: Option<u64>) {
    let rate = rate.unwrap_or_else(timer::rate);
    if !timer::RATES.contains(&rate) {
        refuse(format_args!(
            "the processor's counter has a rate of {rate} Hz by its firmware (CNTFRQ_EL0) or the device tree, which \
            cannot be"
        ));
    }
    RATE.set(rate);
}

/// Rate of the counter in Hz, which is never 0 once the machine starts its clocks.
#[cfg(feature = "xen")]
pub(in crate::backend) fn rate() -> u64 {
    RATE.get()
}

/// Starts the guest's clock.
pub(in super::super) fn start_clock() {
    timer::start_clock(RATE.get());
}

/// Sets the timer to that guest time.
pub(in super::super) fn arm(deadline: u64) {
    timer::arm(deadline, RATE.get());
}
