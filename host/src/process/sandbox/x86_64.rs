// SPDX-License-Identifier: MIT OR Apache-2.0
//! System calls on x86-64.

use paravirt_host_core::fault::{CallSite, SystemCallTable};
use paravirt_host_core::guest::Platform;
use paravirt_host_core::layout::GUEST_END;
use paravirt_host_core::upcall::Interrupted;

use super::super::platform::Host;
use super::Stopped;

/// Of calls by 64-bit code (Linux, linux/audit.h): machine 62, 64 bits, little-endian.
pub(super) const AUDIT_ARCH: u32 = 62 | 0x8000_0000 | 0x4000_0000;

/// Where no call is permitted but one, if any, by the upper halves of addresses: the guest, and the vsyscall page.
pub(super) const AREAS: &[(u32, Option<u32>)] = &[(0, None), (u32::MAX, None)];

/// First address of the page with the system calls of old (Linux, x86/x86_64/mm.rst).
const VSYSCALL: u64 = 0xffff_ffff_ff60_0000;

/// In a number, that it is one of the x32 ABI (Linux, asm/unistd.h).
const X32: u32 = 0x4000_0000;

/// Number and table of a call.
pub(super) const fn number(call: Stopped) -> (u32, SystemCallTable) {
    if call.architecture != AUDIT_ARCH {
        return (call.number, SystemCallTable::I386);
    }
    match call.number & !X32 {
        number if number == call.number => (number, SystemCallTable::X86_64),
        number => (number, SystemCallTable::X32),
    }
}

/// What is known of a call of the guest's at that address, which is not in its memory.
pub(super) fn site_outside(address: u64, frame: &Interrupted) -> CallSite {
    if Host::CODE_32.map(u64::from) == Some(frame.code_selector) {
        // Where 32-bit code cannot be: it is where the kernel returns to from a fast call.
        CallSite::Lost
    } else if address >= VSYSCALL {
        CallSite::Vsyscall(address)
    } else {
        CallSite::Host(address)
    }
}

/// Makes system calls from the guest's address space a SIGSYS, or no longer. Returns whether the kernel does that
/// (since Linux 5.11).
pub(super) fn guard(on: bool) -> bool {
    /// Linux, prctl.h.
    const PR_SET_SYSCALL_USER_DISPATCH: i32 = 59;
    /// What is above the guest may make system calls.
    const HOST: u64 = (1 << 47) - GUEST_END;
    let (start, size) = if on { (GUEST_END, HOST) } else { (0, 0) };
    // SAFETY: no pointers; without a selector the range alone decides.
    let result = unsafe { libc::prctl(PR_SET_SYSCALL_USER_DISPATCH, u64::from(on), start, size, 0_u64) };
    result == 0
}
