// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's interrupt flag: the event mask of a PV domain, the processor's IF of a PVH domain.

use core::sync::atomic::Ordering;

use paravirt_abi::vcpu::HOST_MASKED;

#[cfg(target_arch = "x86_64")]
use super::{domain, pv};
use crate::ring0::processor;
use crate::vcpu;

/// Opens the flag. Called with the virtual interrupt flag off, by [`crate::irq::dispatch`] or at the end of idle.
pub(super) fn open() {
    #[cfg(target_arch = "x86_64")]
    if domain::is_pv() {
        return pv::irq::open();
    }
    // An event that is pending interrupts at once.
    processor::open_interrupts();
}

/// Whether a line is pending.
pub(super) fn is_pending() -> bool {
    vcpu::pending().load(Ordering::Relaxed) & !HOST_MASKED != 0
}
