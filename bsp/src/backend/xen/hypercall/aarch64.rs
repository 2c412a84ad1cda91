// SPDX-License-Identifier: MIT OR Apache-2.0
//! The instruction of AArch64 processors (Xen's public headers, version 4.17: `xen/include/public/arch-arm.h`).

use core::arch::asm;

/// A hypercall; a negative error number on failure.
///
/// # Safety
/// Xen is there. The arguments must be what the call of that number asks for; memory that it writes must be the
/// caller's to change.
pub(in super::super) unsafe fn call(number: usize, arguments: [usize; 4]) -> isize {
    let result;
    let [a, b, c, d] = arguments;
    // SAFETY: the caller's part. Xen may change the number's register; debug builds do the arguments'.
    unsafe {
        asm!(
            "hvc #0xea1",
            inlateout("x16") number => _,
            inlateout("x0") a => result,
            inlateout("x1") b => _, inlateout("x2") c => _, inlateout("x3") d => _, lateout("x4") _,
            options(nostack),
        );
    }
    result
}
