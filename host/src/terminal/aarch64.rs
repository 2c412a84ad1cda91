// SPDX-License-Identifier: MIT OR Apache-2.0
//! System calls and flags on AArch64.

use std::arch::asm;

/// Tells the process group, of this process if the argument is 0.
pub(super) const GETPGRP: libc::c_long = libc::SYS_getpgid;

/// At the beginning of a handler: flags as the compiler expects them.
#[inline(always)]
pub(super) fn reset_flags() {
    // SAFETY: sets floating-point control to what host code has: what was interrupted may be the guest.
    unsafe { asm!("msr fpcr, xzr", options(nostack, preserves_flags)) };
}

/// A system call, without errno and whatever else the C library finds by the thread pointer. A negative result is an
/// error.
///
/// # Safety
/// As of that system call.
pub(super) unsafe fn syscall(number: libc::c_long, arguments: [usize; 4]) -> isize {
    let result;
    // SAFETY: the kernel changes what is named here, and what the call says.
    unsafe {
        asm!(
            "svc #0",
            in("x8") number,
            inlateout("x0") arguments[0] as isize => result,
            in("x1") arguments[1],
            in("x2") arguments[2],
            in("x3") arguments[3],
            options(nostack),
        );
    }
    result
}
