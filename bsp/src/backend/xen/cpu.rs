// SPDX-License-Identifier: MIT OR Apache-2.0
//! Idle and thread-local storage.

use super::pvh;
#[cfg(target_arch = "x86_64")]
use super::{domain, pv};
use crate::ring0::interrupt;

/// Body of `pv_cpu_idle`. Called with the virtual interrupt flag off.
pub(super) extern "C" fn idle() {
    #[cfg(target_arch = "x86_64")]
    if domain::is_pv() {
        return pv::irq::wait();
    }
    interrupt::wait();
}

/// Body of `pv_cpu_set_tls`.
pub(super) extern "C" fn set_tls(base: usize) -> i32 {
    #[cfg(target_arch = "x86_64")]
    let result = if domain::is_pv() {
        pv::set_tls(base)
    } else {
        pvh::set_tls(base)
    };
    #[cfg(target_arch = "x86")]
    let result = pvh::set_tls(base);
    match result {
        Ok(()) => 0,
        Err(error) => error.number(),
    }
}
