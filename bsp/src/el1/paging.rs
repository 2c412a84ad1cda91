// SPDX-License-Identifier: MIT OR Apache-2.0
//! Page tables: addresses are one to one, by 2 MiB or 1 GiB, but for the image if it was loaded elsewhere. At first the
//! image and the device tree are there; memory and devices come as the tree names them. Where nothing is named nothing
//! is mapped, so that a null pointer faults and the processor does not speculate into what is no memory.

use core::arch::asm;
use core::fmt;

use crate::local::Local;

/// A table of 512 entries, aligned as the processor wants it.
#[derive(Clone, Copy)]
#[repr(C, align(4096))]
pub(super) struct Table([u64; 512]);

/// Number of tables: the root, those that the entry fills, and some for what comes.
const COUNT: usize = 14;

/// The tables: the root, whose entries are 1 GiB each, and those below by the numbers that follow.
pub(super) static TABLES: Local<[Table; COUNT]> = Local::new([Table([0; 512]); COUNT]);
/// Number of the table of the gigabyte in which the image is.
pub(super) const IMAGE: usize = 1;
/// Number of the table of small pages around the stack's end.
pub(super) const STACK: usize = 2;
/// Number of the table of the gigabyte in which the device tree is, if it is another one, and of the next.
pub(super) const TREE: usize = 3;
/// Number of the table of the gigabyte into which the image was loaded, if that is elsewhere, and another one.
pub(super) const HERE: usize = 5;
/// The first that is free.
const FREE: usize = 6;

/// Bytes that a device tree may have (Linux, Documentation/arch/arm64/booting.rst).
pub(super) const TREE_SIZE: usize = LARGE as usize;

/// An entry that names a table.
pub(super) const TABLE: u64 = 3;
/// A block of memory: accessed, shared, the second kind of `MAIR_EL1`.
pub(super) const BLOCK: u64 = 1 << 10 | 3 << 8 | IS_MEMORY | 1;
const IS_MEMORY: u64 = 1 << 2;
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

/// Why something cannot be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is beyond [`LIMIT`].
    Beyond,
    /// It is in more gigabytes than there are tables for.
    Tables,
    /// Something of that other kind is within the same 2 MiB.
    Other(Kind),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Beyond => "it is beyond 512 GiB",
            Self::Tables => "it is in one gigabyte more than this layer has page tables for",
            Self::Other(Kind::Memory) => "memory is within the same 2 MiB, that of the image or of the device tree",
            Self::Other(Kind::Device) => "a device is within the same 2 MiB",
        })
    }
}

/// By how much the image's memory is beyond its addresses, with wrap-around; a multiple of 2 MiB.
static MOVED: Local<u64> = Local::new(0);

/// Notes where the image was loaded. For the entry.
pub(super) fn set_moved(moved: u64) {
    MOVED.set(moved);
}

/// Where the memory of the image's `address` is.
#[must_use]
pub fn memory_of(address: usize) -> u64 {
    (address as u64).wrapping_add(MOVED.get())
}

unsafe extern "C" {
    static __image_start: u8;
    static __image_end: u8;
}

/// First address of the image, and the one behind it.
#[must_use]
pub fn image() -> (usize, usize) {
    (&raw const __image_start as usize, &raw const __image_end as usize)
}

/// Returns whether the image was loaded elsewhere than at its addresses.
#[must_use]
pub fn is_moved() -> bool {
    MOVED.get() != 0
}

/// The addresses that are mapped for the image. If it [`is_moved`], there is nothing one to one.
#[must_use]
pub fn taken() -> (u64, u64) {
    let (start, end) = image();
    (start as u64 & !(LARGE - 1), (end as u64).next_multiple_of(LARGE))
}

/// What is not mapped where that range may not be: as much around it as one step of [`map`] is, but for what is mapped
/// for the image.
#[must_use]
pub fn around((start, end): (u64, u64)) -> (u64, u64) {
    let (taken, taken_end) = taken();
    let low = start & !(LARGE - 1);
    let high = end.checked_next_multiple_of(LARGE).unwrap_or(end);
    (
        if (taken..taken_end).contains(&low) { start } else { low },
        if (taken..taken_end).contains(&(high - 1)) {
            end
        } else {
            high
        },
    )
}

/// Number of tables in use.
static USED: Local<usize> = Local::new(FREE);

/// Maps what lies from `start` to before `end`, as far as it is not mapped yet; in steps of 2 MiB, so some around it as
/// well. For the start of a backend.
///
/// # Errors
/// Some of it could not be mapped, the rest was.
pub fn map(start: u64, end: u64, kind: Kind) -> Result<(), Problem> {
    if start >= end {
        return Ok(());
    }
    if end > LIMIT {
        return Err(Problem::Beyond);
    }
    let attributes = match kind {
        Kind::Memory => BLOCK,
        Kind::Device => DEVICE,
    };
    let root: *mut u64 = TABLES.as_ptr().cast();
    let mut address = start & !(LARGE - 1);
    let mut result = Ok(());
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
                    None => result = Err(Problem::Tables),
                }
            }
            if *entry & TABLE != TABLE {
                // A gigabyte in one piece, or none.
                if let Some(other) = kind_of(*entry).filter(|&other| other != kind) {
                    result = Err(Problem::Other(other));
                }
                address = (address | (GIGABYTE - 1)) + 1;
                continue;
            }
            let table = (*entry & !0xfff).wrapping_sub(MOVED.get()) as *mut u64;
            let entry = table.add((address / LARGE % 512) as usize);
            match kind_of(*entry) {
                None => entry.write(address | attributes),
                Some(other) if other != kind => result = Err(Problem::Other(other)),
                Some(_) => {}
            }
        }
        address += LARGE;
    }
    // SAFETY: the processor sees the entries before what follows uses them.
    unsafe { asm!("dsb ishst", "isb", options(nostack, preserves_flags)) };
    result
}

/// What a block's entry maps; a table below stands for the pages around the stack's end.
fn kind_of(entry: u64) -> Option<Kind> {
    match entry {
        0 => None,
        _ if entry & TABLE == TABLE || entry & IS_MEMORY != 0 => Some(Kind::Memory),
        _ => Some(Kind::Device),
    }
}

fn free_table() -> Option<u64> {
    let number = USED.get();
    if number == COUNT {
        return None;
    }
    USED.set(number + 1);
    let tables: *mut Table = TABLES.as_ptr().cast();
    Some(memory_of(tables.wrapping_add(number).addr()))
}
