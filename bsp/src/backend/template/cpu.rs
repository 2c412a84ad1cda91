// SPDX-License-Identifier: MIT OR Apache-2.0
//! Idle.

use paravirt_bsp::backend::entry;

use super::{hypervisor, irq, timer};

/// Called with the virtual interrupt flag off. Nothing can become pending between test and wait, because nothing
/// interrupts.
pub(super) extern "C" fn idle() {
    loop {
        irq::find();
        if entry::is_pending() {
            return;
        }
        hypervisor::yield_until(timer::deadline());
    }
}
