// SPDX-License-Identifier: MIT OR Apache-2.0
//! Idle and thread-local storage.

use crate::ring0::{self, interrupt};

/// Body of `pv_cpu_idle`. Called with the virtual interrupt flag off.
pub(super) extern "C" fn idle() {
    interrupt::wait();
}

/// Body of `pv_cpu_set_tls`.
pub(super) extern "C" fn set_tls(base: usize) -> i32 {
    match ring0::set_tls(base) {
        Ok(()) => 0,
        Err(error) => error.number(),
    }
}
