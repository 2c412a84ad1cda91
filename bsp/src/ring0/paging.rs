// SPDX-License-Identifier: MIT OR Apache-2.0
//! Page tables: the low 4 GiB one to one, but for the page at address zero and the one below the boot stack.

use core::arch::asm;

use crate::local::Local;
use crate::stop::guard_page;

/// A table of 512 entries, aligned as the processor wants it.
#[derive(Clone, Copy)]
#[repr(C, align(4096))]
pub(super) struct Table([u64; 512]);

/// The tables that the entry point fills: the root, what covers its first entry, and a directory for each of four GiB.
pub(super) static ROOT: Local<Table> = Local::new(Table([0; 512]));
pub(super) static POINTERS: Local<Table> = Local::new(Table([0; 512]));
pub(super) static DIRECTORIES: Local<[Table; 4]> = Local::new([Table([0; 512]); 4]);
/// Tables of small pages, for two times 2 MiB with a page missing.
static SMALL: [Local<Table>; 2] = [const { Local::new(Table([0; 512])) }; 2];

const SMALL_PAGE: usize = 1 << 12;
const LARGE_PAGE: usize = 1 << 21;
/// Present and writable.
const RIGHTS: u64 = 3;
/// A directory's entry is a page, not a table.
const LARGE: u64 = 1 << 7;

/// Takes the page below the boot stack away, so that a stack that overflows faults.
pub(super) fn guard_stack() {
    take_away(guard_page(), &SMALL[0]);
}

/// Takes the page at address zero away, so that a null pointer faults.
pub(super) fn guard_null() {
    take_away(0, &SMALL[1]);
}

/// Takes the page at `address` away; `spare` is for the 2 MiB around it, unless they are made of small pages already.
fn take_away(address: usize, spare: &'static Local<Table>) {
    let directories: *mut u64 = DIRECTORIES.as_ptr().cast();
    // SAFETY: the directories have an entry for each 2 MiB below 4 GiB, where the image lies. Nothing but this function
    // changes tables after the entry point, and nobody uses what it takes away: address zero, and a page that the
    // linker script leaves out.
    unsafe {
        let entry = directories.add(address / LARGE_PAGE);
        if *entry & LARGE != 0 {
            let table: *mut u64 = spare.as_ptr().cast();
            let start = address & !(LARGE_PAGE - 1);
            for page in 0..512 {
                table.add(page).write((start + page * SMALL_PAGE) as u64 | RIGHTS);
            }
            *entry = table as u64 | RIGHTS;
        }
        let table = (*entry & !0xfff) as *mut u64;
        *table.add(address / SMALL_PAGE % 512) = 0;
        // The processor may remember the large page as well; this drops whatever translates the address.
        asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags));
    }
}
