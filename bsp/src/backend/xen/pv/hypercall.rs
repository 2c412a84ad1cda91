// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hypercalls that only PV domains make (Xen's public headers, version 4.17: `xen/include/public/xen.h`, `callback.h`,
//! `physdev.h`).

use super::traps::TrapInfo;
use crate::backend::xen::hypercall::{DOMID_SELF, call};

const SET_TRAP_TABLE: usize = 0;
const MMU_UPDATE: usize = 1;
const UPDATE_VA_MAPPING: usize = 14;
const SET_SEGMENT_BASE: usize = 25;
const CALLBACK_OP: usize = 30;
const PHYSDEV_OP: usize = 33;

/// Sets the handlers of exceptions; an entry with address 0 ends the table.
pub(super) fn set_trap_table(table: &[TrapInfo]) {
    // SAFETY: a table that ends with an empty entry.
    unsafe { call(SET_TRAP_TABLE, [table.as_ptr() as usize, 0, 0, 0]) };
}

/// Kinds of callbacks.
#[derive(Clone, Copy)]
pub(super) enum Callback {
    Event = 0,
    Failsafe = 1,
}

/// Sets where Xen enters the domain, with events masked.
pub(super) fn register_callback(kind: Callback, address: usize) {
    const CALLBACKOP_REGISTER: usize = 0;
    const MASK_EVENTS: u16 = 1;
    /// `struct callback_register`.
    #[repr(C)]
    struct Register {
        kind: u16,
        flags: u16,
        address: usize,
    }
    let register = Register {
        kind: kind as u16,
        flags: MASK_EVENTS,
        address,
    };
    // SAFETY: the structure that the call reads.
    unsafe { call(CALLBACK_OP, [CALLBACKOP_REGISTER, &raw const register as usize, 0, 0]) };
}

/// Maps the machine page of `entry`, a page table entry, at `address`, where a page table exists already.
///
/// # Safety
/// What was mapped there must not be used any more, and what is mapped now must be what the users of the address
/// expect.
pub(super) unsafe fn map(address: usize, entry: u64) -> isize {
    const INVALIDATE: usize = 2; // UVMF_INVLPG | UVMF_LOCAL
    // SAFETY: the caller answers for it.
    unsafe { call(UPDATE_VA_MAPPING, [address, entry as usize, INVALIDATE, 0]) }
}

/// Writes one page table entry, whose machine address is `at`.
///
/// # Safety
/// As [`map`], for all that the entry maps.
pub(super) unsafe fn write_entry(at: u64, entry: u64) -> isize {
    /// `struct mmu_update`; the command, a normal update, is 0 in the lowest bits.
    #[repr(C)]
    struct Update {
        at: u64,
        value: u64,
    }
    let update = Update { at, value: entry };
    // SAFETY: one update, no count of those that were done; the caller answers for the rest.
    unsafe { call(MMU_UPDATE, [&raw const update as usize, 1, 0, usize::from(DOMID_SELF)]) }
}

/// Sets the base of fs.
pub(super) fn set_fs_base(base: usize) -> isize {
    const SEGBASE_FS: usize = 0;
    // SAFETY: Xen checks the address; no code of this layer uses fs.
    unsafe { call(SET_SEGMENT_BASE, [SEGBASE_FS, base, 0, 0]) }
}

/// Asks for the use of I/O ports, which the domain that controls the machine gets. Returns whether it did.
pub(super) fn grant_ports() -> bool {
    const PHYSDEVOP_SET_IOPL: usize = 6;
    let level: u32 = 3;
    // SAFETY: `struct physdev_set_iopl` is this number.
    unsafe { call(PHYSDEV_OP, [PHYSDEVOP_SET_IOPL, &raw const level as usize, 0, 0]) == 0 }
}
