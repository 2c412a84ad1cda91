// SPDX-License-Identifier: MIT OR Apache-2.0
//! Idle and thread-local storage.

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use paravirt_abi::error::Error;

use super::syscall::{RT_SIGPROCMASK, RT_SIGSUSPEND, SIG_BLOCK, SIGNALS, syscall3, syscall4};
use crate::backend::entry;

crate::in_guest_functions! { pub(super) const FUNCTIONS = { pv_cpu_idle = idle, pv_cpu_set_tls = set_tls }; }

/// Called with the virtual interrupt flag off: a signal that ends the wait marks its line and leaves the signals
/// blocked.
pub(super) extern "C" fn idle() {
    let (nothing, signals): (u64, u64) = (0, SIGNALS);
    // SAFETY: sets of 8 bytes, which live through the calls. With signals blocked, none comes between test and wait.
    unsafe {
        syscall4(RT_SIGPROCMASK, SIG_BLOCK, &raw const signals as usize, 0, 8);
        while !entry::is_pending() {
            syscall3(RT_SIGSUSPEND, &raw const nothing as usize, 8, 0);
        }
    }
    entry::mark_host_closed();
}

/// fs base by `arch_prctl(ARCH_SET_FS)`.
#[cfg(target_arch = "x86_64")]
pub(super) extern "C" fn set_tls(base: usize) -> i32 {
    const ARCH_SET_FS: usize = 0x1002;
    // SAFETY: the kernel checks the address.
    if unsafe { syscall3(super::syscall::ARCH_PRCTL, ARCH_SET_FS, base, 0) } < 0 {
        return Error::InvalidArgument.number();
    }
    0
}

/// `TPIDR_EL0`, which is the program's own.
#[cfg(target_arch = "aarch64")]
pub(super) extern "C" fn set_tls(base: usize) -> i32 {
    // SAFETY: the register is this program's, and no Rust code for this target uses it.
    unsafe { core::arch::asm!("msr tpidr_el0, {}", in(reg) base, options(nostack, nomem, preserves_flags)) };
    0
}

/// gs base by the first descriptor of the local table.
#[cfg(target_arch = "x86")]
pub(super) extern "C" fn set_tls(base: usize) -> i32 {
    /// `struct user_desc`: entry 0, limit in pages, 32-bit, usable.
    const FLAGS: usize = 1 | 1 << 4 | 1 << 6;
    const WRITE_NEW: usize = 0x11;
    /// Table indicator local, requested privilege 3, index 0.
    const SELECTOR: u32 = 0b111;
    let descriptor: [usize; 4] = [0, base, 0xf_ffff, FLAGS];
    // SAFETY: a user_desc of 16 bytes, which lives through the call.
    if unsafe { syscall3(super::syscall::MODIFY_LDT, WRITE_NEW, descriptor.as_ptr() as usize, 16) } < 0 {
        return Error::InvalidArgument.number();
    }
    // SAFETY: the descriptor was just made; no Rust code for this target uses gs.
    unsafe { core::arch::asm!("mov gs, {0:e}", in(reg) SELECTOR, options(nostack, nomem, preserves_flags)) };
    0
}
