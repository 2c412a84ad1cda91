// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's interrupt flag: the event mask of a PV domain, the processor's IF of a PVH domain.

#[cfg(target_arch = "x86_64")]
use super::{domain, pv};
use crate::ring0::processor;

/// Opens the flag. Called with the virtual interrupt flag off, by [`crate::irq::dispatch`] or at the end of idle.
pub(super) fn open() {
    #[cfg(target_arch = "x86_64")]
    if domain::is_pv() {
        return pv::irq::open();
    }
    // An event that is pending interrupts at once.
    processor::open_interrupts();
}
