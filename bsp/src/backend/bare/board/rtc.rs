// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arm's PL031 (PrimeCell real-time clock technical reference manual), which is taken to hold Unix time.

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

/// Unix time in seconds; 0 if there is no clock.
pub(in super::super) fn read() -> u64 {
    match BASE.get() {
        0 => 0,
        // SAFETY: see `set`.
        base => u64::from(unsafe { read_volatile::<u32>(with_exposed_provenance(base)) }),
    }
}
