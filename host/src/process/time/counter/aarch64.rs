// SPDX-License-Identifier: MIT OR Apache-2.0
//! The virtual counter.

use std::arch::asm;

/// The kernel's name of the counter as its clock source.
pub(super) const SOURCE: &[u8] = b"arch_sys_counter";

/// The counter, which the kernel lets this process read.
pub(super) fn read() -> u64 {
    let count;
    // SAFETY: reads a counter that every processor has, and `usable` has found that this process may. It may be read
    // before what precedes is done, hence the barrier.
    unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) count, options(nostack, preserves_flags)) };
    count
}
