// SPDX-License-Identifier: MIT OR Apache-2.0
//! Idle.

use core::sync::atomic::Ordering;

use super::{hypervisor, irq, timer};
use crate::vcpu;

/// Called with the virtual interrupt flag off. Nothing can become pending between test and wait, because nothing interrupts.
pub(super) extern "C" fn idle() {
    loop {
        irq::find();
        if vcpu::pending().load(Ordering::Relaxed) != 0 {
            return;
        }
        hypervisor::yield_until(timer::deadline());
    }
}
