// SPDX-License-Identifier: MIT OR Apache-2.0
//! System calls and flags on x86-64.

use std::arch::asm;

/// Tells the process group.
pub(super) const GETPGRP: libc::c_long = libc::SYS_getpgrp;

/// At the beginning of a handler: flags as the compiler expects them.
#[inline(always)]
pub(super) fn reset_flags() {
    // SAFETY: sets flags as the compiler expects them: what was interrupted may be the guest, with its alignment check.
    unsafe { asm!("push 2", "popfq") };
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
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result
}
