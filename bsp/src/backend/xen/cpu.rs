// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interrupt flag, idle and thread-local storage.

use paravirt_abi::error::Error;

#[cfg(target_arch = "x86_64")]
use super::{domain, pv};
use crate::ring0::{self, interrupt, processor};

crate::in_guest_functions! { pub(super) const FUNCTIONS = { pv_cpu_idle = idle, pv_cpu_set_tls = set_tls }; }

/// Body of `pv_cpu_idle`. Called with the virtual interrupt flag off.
pub(super) extern "C" fn idle() {
    #[cfg(target_arch = "x86_64")]
    if domain::is_pv() {
        return pv::irq::wait();
    }
    interrupt::wait();
}

/// Body of `pv_cpu_set_tls`.
///
/// # Safety
/// As for the external function.
pub(super) unsafe extern "C" fn set_tls(base: usize) -> i32 {
    // SAFETY: the caller answers for the address; a PVH domain runs in ring 0.
    let of_pvh = || unsafe { ring0::set_tls(base) };
    #[cfg(target_arch = "x86_64")]
    let result = if domain::is_pv() { pv::set_tls(base) } else { of_pvh() };
    #[cfg(target_arch = "x86")]
    let result = of_pvh();
    Error::status(result)
}

/// Opens the host's interrupt flag: the event mask of a PV domain, the processor's IF of a PVH domain. Called with the virtual interrupt flag off, by [`crate::irq::dispatch`] or at the end of idle.
pub(super) fn open_interrupts() {
    #[cfg(target_arch = "x86_64")]
    if domain::is_pv() {
        return pv::irq::open();
    }
    // An event that is pending interrupts at once.
    processor::open_interrupts();
}
