// SPDX-License-Identifier: MIT OR Apache-2.0
//! Idle.

use paravirt_bsp::backend::entry;

use super::{hypervisor, irq, timer};

paravirt_bsp::in_guest_functions! { pub(super) const FUNCTIONS = { pv_cpu_idle = idle }; }

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
