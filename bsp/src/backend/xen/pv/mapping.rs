// SPDX-License-Identifier: MIT OR Apache-2.0
//! Page tables of a PV domain: the shared pages, and all memory of the domain at the addresses of its pseudo-physical
//! map.
//!
//! Xen maps the beginning of the domain's memory, up to a multiple of 4 MiB, with page tables that the domain can read
//! but not write. More tables are pages of the domain that it fills, gives up writing to, and has Xen put in.

use super::{StartInfo, hypercall};
use crate::backend::xen::power;
use crate::vcpu;

/// Size of a page in bytes.
const PAGE: usize = 4096;
/// Entries of a page table.
const ENTRIES: usize = 512;
/// What one table of the lowest level maps, in bytes.
const TABLE_SPAN: usize = PAGE * ENTRIES;
/// What one table of the next level maps: the most that this layer maps, in bytes.
const MOST: usize = TABLE_SPAN * ENTRIES;

/// Bits of an entry: present, writable, for ring 3 (where a PV domain runs), accessed, dirty.
const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
/// Of an entry: the machine address.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

unsafe extern "C" {
    static __image_start: u8;
    static __image_end: u8;
    static __stack_start: u8;
}

/// The first address behind the image.
pub(in crate::backend::xen) fn image_end() -> usize {
    &raw const __image_end as usize
}

/// An entry that maps the machine page at `address`.
fn entry(address: u64, writable: bool) -> u64 {
    let write = if writable { WRITABLE | DIRTY } else { 0 };
    address & ADDRESS | PRESENT | USER | ACCESSED | write
}

/// Maps the machine page at `address` in place of `page`.
///
/// # Safety
/// `page` must be a page of the image whose content nobody needs, of a type for which the machine page holds a valid
/// value.
pub(in crate::backend::xen) unsafe fn replace<T>(page: &'static T, address: u64) {
    // SAFETY: the caller answers for both pages.
    let error = unsafe { hypercall::map(&raw const *page as usize, entry(address, true)) };
    if error < 0 {
        power::refuse(format_args!(
            "Xen does not map the page at machine address {address:#x}: error {error}"
        ));
    }
}

/// Takes away what should not be there: the page at address zero and the one below the stack, and the right to write
/// where constants and code lie.
pub(in crate::backend::xen) fn protect(info: &StartInfo) {
    let guard = (&raw const __stack_start as usize & !(PAGE - 1)) - PAGE;
    for page in [0, guard] {
        // SAFETY: nothing lies there, see linkcmds/guest.ld.
        unsafe { hypercall::map(page, 0) };
    }
    // The vCPU page is the first of the image's data.
    let data = vcpu::page().as_raw_ptr().as_ptr() as usize;
    for page in (&raw const __image_start as usize..data).step_by(PAGE) {
        // SAFETY: the same page as before, which nobody writes.
        unsafe { hypercall::map(page, entry(frame(info, page), false)) };
    }
}

/// The machine address of the domain's page at `address`.
fn frame(info: &StartInfo, address: usize) -> u64 {
    // SAFETY: the list has an entry for each page of the domain.
    let number = unsafe { info.frames.add(address / PAGE).read() };
    number * PAGE as u64
}

/// Maps all of the domain's memory, at most 1 GiB, using pages from address `free` on for page tables; first free
/// address behind those, and the end of what is mapped.
pub(in crate::backend::xen) fn map_all(info: &StartInfo, mut free: usize) -> (usize, usize) {
    let end = MOST.min(info.pages * PAGE);
    let Some(directory) = directory(info) else {
        return (free, free);
    };
    for index in 0..end.div_ceil(TABLE_SPAN) {
        // SAFETY: a page table, which Xen keeps readable.
        if unsafe { directory.add(index).read() } & PRESENT != 0 {
            continue;
        }
        let table = free as *mut u64;
        free += PAGE;
        for slot in 0..ENTRIES {
            let address = index * TABLE_SPAN + slot * PAGE;
            let value = if address < end {
                entry(frame(info, address), true)
            } else {
                0
            };
            // SAFETY: the page is free, and mapped because Xen leaves half a MiB behind what it made itself, or because
            // an earlier round mapped it.
            unsafe { table.add(slot).write(value) };
        }
        let at = frame(info, directory as usize) + (index * size_of::<u64>()) as u64;
        // SAFETY: the table's page is not written again, and what it maps was not mapped anywhere.
        let error = unsafe {
            hypercall::map(table as usize, entry(frame(info, table as usize), false));
            hypercall::write_entry(at, entry(frame(info, table as usize), true))
        };
        if error < 0 {
            return (free, index * TABLE_SPAN);
        }
    }
    (free, end)
}

/// The table that maps the first GiB.
fn directory(info: &StartInfo) -> Option<*const u64> {
    let mut table = info.page_table as *const u64;
    for _ in 0..2 {
        // SAFETY: a page table, which Xen keeps readable.
        let entry = unsafe { table.read() };
        if entry & PRESENT == 0 {
            return None;
        }
        table = address_of(info, entry & ADDRESS)?;
    }
    Some(table)
}

/// Where the page table at that machine address is mapped: one of the pages that follow the topmost table.
fn address_of(info: &StartInfo, machine: u64) -> Option<*const u64> {
    (0..info.page_table_pages).find_map(|index| {
        let address = info.page_table + index * PAGE;
        (frame(info, address) == machine).then_some(address as *const u64)
    })
}
