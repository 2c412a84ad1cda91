// SPDX-License-Identifier: MIT OR Apache-2.0
//! Idle and thread-local storage.

use paravirt_abi::error::Error;

use crate::machine::{self, interrupt};

crate::in_guest_functions! {
    pub(in crate::backend) const FUNCTIONS = { pv_cpu_idle = idle, pv_cpu_set_tls = set_tls };
}

/// Body of `pv_cpu_idle`. Called with the virtual interrupt flag off.
pub(super) extern "C" fn idle() {
    interrupt::wait();
}

/// Body of `pv_cpu_set_tls`.
///
/// # Safety
/// As for the external function.
pub(super) unsafe extern "C" fn set_tls(base: usize) -> i32 {
    // SAFETY: the caller answers for the address; the processor is this backend's.
    Error::status(unsafe { machine::set_tls(base) })
}
