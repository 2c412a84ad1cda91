// SPDX-License-Identifier: MIT OR Apache-2.0
//! The time-stamp counter.

use std::arch::x86_64::_rdtsc;

/// The kernel's name of the counter as its clock source, where it has taken it for good.
pub(super) const SOURCE: &[u8] = b"tsc";

/// The counter, which the kernel lets this process read.
pub(super) fn read() -> u64 {
    // SAFETY: every x86-64 processor has the counter, and `usable` has found that this process may read it.
    unsafe { _rdtsc() }
}
