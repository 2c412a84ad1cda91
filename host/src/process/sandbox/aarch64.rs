// SPDX-License-Identifier: MIT OR Apache-2.0
//! System calls on AArch64.

use paravirt_abi::aarch64::RT_SIGRETURN;
use paravirt_host_core::fault::{CallSite, SystemCallTable};
use paravirt_host_core::upcall::Interrupted;

use super::Stopped;

/// Of calls by 64-bit code (Linux, linux/audit.h): machine 183, 64 bits, little-endian.
pub(super) const AUDIT_ARCH: u32 = 183 | 0x8000_0000 | 0x4000_0000;

/// Where no call is permitted but one, if any, by the upper halves of addresses: the guest returns from upcalls.
pub(super) const AREAS: &[(u32, Option<u32>)] = &[(0, Some(RT_SIGRETURN))];

/// Number and table of a call.
pub(super) const fn number(call: Stopped) -> (u32, SystemCallTable) {
    let table = if call.architecture == AUDIT_ARCH {
        SystemCallTable::Aarch64
    } else {
        SystemCallTable::Arm
    };
    (call.number, table)
}

/// What is known of a call of the guest's at that address, which is not in its memory.
pub(super) const fn site_outside(address: u64, _: &Interrupted) -> CallSite {
    CallSite::Host(address)
}

/// Makes system calls from the guest's address space a SIGSYS. Kernels cannot, or if they can, the guest's return from
/// an upcall would be one, too. Returns that it is not done.
pub(super) const fn guard(_: bool) -> bool {
    false
}
