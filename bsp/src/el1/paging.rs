// SPDX-License-Identifier: MIT OR Apache-2.0
//! Page tables: addresses are one to one, by 2 MiB or 1 GiB. At first the image and the device tree are there; memory
//! and devices come as the tree names them. Where nothing is named nothing is mapped, so that a null pointer faults and
//! the processor does not speculate into what is no memory.

use core::arch::asm;

use crate::local::Local;

/// A table of 512 entries, aligned as the processor wants it.
#[derive(Clone, Copy)]
#[repr(C, align(4096))]
pub(super) struct Table([u64; 512]);

/// Number of tables: the root, those that the entry fills, and some for what comes.
const COUNT: usize = 13;

/// The tables: the root, whose entries are 1 GiB each, and those below by the numbers that follow.
pub(super) static TABLES: Local<[Table; COUNT]> = Local::new([Table([0; 512]); COUNT]);
/// Number of the table of the gigabyte in which the image is.
pub(super) const IMAGE: usize = 1;
/// Number of the table of small pages around the stack's end.
pub(super) const STACK: usize = 2;
/// Number of the table of the gigabyte in which the device tree is, if it is another one, and of the next.
pub(super) const TREE: usize = 3;
/// The first that is free.
const FREE: usize = 5;

/// Bytes that a device tree may have (Linux, Documentation/arch/arm64/booting.rst).
pub(super) const TREE_SIZE: usize = LARGE as usize;

/// An entry that names a table.
pub(super) const TABLE: u64 = 3;
/// A block of memory: accessed, shared, the second kind of `MAIR_EL1`.
pub(super) const BLOCK: u64 = 1 << 10 | 3 << 8 | 1 << 2 | 1;
/// A page of it.
pub(super) const PAGE: u64 = BLOCK | 2;
/// A block of devices: no code there.
const DEVICE: u64 = 1 << 54 | 1 << 53 | 1 << 10 | 1;

const LARGE: u64 = 1 << 21;
const GIGABYTE: u64 = 1 << 30;
/// Addresses from here on cannot be mapped.
pub const LIMIT: u64 = 1 << 39;

/// What is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Memory, cached.
    Memory,
    /// Registers of devices.
    Device,
}

/// Number of tables in use.
static USED: Local<usize> = Local::new(FREE);

/// Maps what lies from `start` to before `end`, as far as nothing is mapped there yet; in steps of 2 MiB, so some
/// around it as well. Returns whether all of it could be: not what is beyond [`LIMIT`], or in more gigabytes than there
/// are tables for. For the start of a backend.
pub fn map(start: u64, end: u64, kind: Kind) -> bool {
    if start >= end || end > LIMIT {
        return start >= end;
    }
    let attributes = match kind {
        Kind::Memory => BLOCK,
        Kind::Device => DEVICE,
    };
    let root: *mut u64 = TABLES.as_ptr().cast();
    let mut address = start & !(LARGE - 1);
    let mut all = true;
    while address < end {
        // SAFETY: the root has an entry for each gigabyte below the limit. Entries that are 0 are filled, which needs
        // no more than a barrier; others stay. Nobody else changes tables, with interrupts kept away at the start.
        unsafe {
            let entry = root.add((address / GIGABYTE) as usize);
            if *entry == 0 && address.is_multiple_of(GIGABYTE) && end - address >= GIGABYTE {
                entry.write(address | attributes);
            }
            if *entry == 0 {
                match free_table() {
                    Some(table) => entry.write(table | TABLE),
                    None => all = false,
                }
            }
            if *entry & TABLE != TABLE {
                // A gigabyte in one piece, or none.
                address = (address | (GIGABYTE - 1)) + 1;
                continue;
            }
            let entry = ((*entry & !0xfff) as *mut u64).add((address / LARGE % 512) as usize);
            if *entry == 0 {
                entry.write(address | attributes);
            }
        }
        address += LARGE;
    }
    // SAFETY: the processor sees the entries before what follows uses them.
    unsafe { asm!("dsb ishst", "isb", options(nostack, preserves_flags)) };
    all
}

fn free_table() -> Option<u64> {
    let number = USED.get();
    if number == COUNT {
        return None;
    }
    USED.set(number + 1);
    let tables: *mut Table = TABLES.as_ptr().cast();
    Some(tables.wrapping_add(number).addr() as u64)
}

unsafe extern "C" {
    static __stack_start: u8;
}

/// The page below the boot stack, which is not mapped.
pub(crate) fn guard_page() -> usize {
    (&raw const __stack_start as usize & !0xfff) - 0x1000
}
