// SPDX-License-Identifier: MIT OR Apache-2.0
//! The wall clock: Arm's PL031 (PrimeCell real-time clock technical reference manual), which is taken to hold Unix
//! time, else the hypervisor's.

use core::ptr::{read_volatile, with_exposed_provenance};

use crate::local::Local;

/// Address of its registers, of which the first is the time in s; 0: there is none.
static BASE: Local<usize> = Local::new(0);

/// From now on, the clock is the one whose registers are at `base`.
///
/// # Safety
/// They are, and mapped.
pub(super) unsafe fn set(base: usize) {
    BASE.set(base);
}

/// The hypervisor's clock: Unix time in seconds, 0 if it has none.
static OTHER: Local<fn() -> u64> = Local::new(|| 0);

/// From now on, the clock is that one, unless [`set`] names another.
#[cfg(feature = "xen")]
pub(in crate::backend) fn set_other(read: fn() -> u64) {
    OTHER.set(read);
}

/// Unix time in seconds; 0 if there is no clock.
pub(in super::super) fn read() -> u64 {
    match BASE.get() {
        0 => OTHER.get()(),
        // SAFETY: see `set`.
        base => u64::from(unsafe { read_volatile::<u32>(with_exposed_provenance(base)) }),
    }
}
