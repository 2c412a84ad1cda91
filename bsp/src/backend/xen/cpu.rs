// SPDX-License-Identifier: MIT OR Apache-2.0
//! Idle and thread-local storage.

#[cfg(target_arch = "x86_64")]
use super::{domain, pv};
use crate::ring0::{self, interrupt};

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
    match result {
        Ok(()) => 0,
        Err(error) => error.number(),
    }
}
