// SPDX-License-Identifier: MIT OR Apache-2.0
//! Idle and thread-local storage.

use core::sync::atomic::Ordering;

use crate::ring0::{self, interrupt, processor};
use crate::vcpu;

/// Body of `pv_cpu_idle`. Called with the virtual interrupt flag off: an interrupt that ends the wait marks its line and leaves the
/// processor's flag off.
pub(super) extern "C" fn idle() {
    // With the processor's flag off, no interrupt comes between test and wait.
    processor::close_interrupts();
    while vcpu::pending().load(Ordering::Relaxed) == 0 {
        processor::wait();
    }
    interrupt::mark_closed();
}

/// Body of `pv_cpu_set_tls`.
pub(super) extern "C" fn set_tls(base: usize) -> i32 {
    match ring0::set_tls(base) {
        Ok(()) => 0,
        Err(error) => error.number(),
    }
}
