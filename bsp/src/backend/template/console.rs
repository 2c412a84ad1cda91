// SPDX-License-Identifier: MIT OR Apache-2.0
//! Console.

use core::sync::atomic::{AtomicBool, Ordering};

use paravirt_bsp::abi::line;
use paravirt_bsp::backend::lines;

use super::{hypervisor, irq};

paravirt_bsp::in_guest_functions! { pub(super) const FUNCTIONS = { pv_console_read = read, pv_console_write = write }; }

/// Whether input raises the console line.
static WANTED: AtomicBool = AtomicBool::new(false);

/// # Safety
/// `buffer` is valid for reads of `length` bytes, unless that is 0.
pub(super) unsafe extern "C" fn write(buffer: *const u8, length: usize) -> isize {
    if length == 0 {
        return 0;
    }
    // SAFETY: the interface asks for a buffer of that length.
    let taken = hypervisor::write(unsafe { core::slice::from_raw_parts(buffer, length) });
    irq::poll();
    taken as isize
}

/// # Safety
/// `buffer` is valid for writes of `length` bytes.
pub(super) unsafe extern "C" fn read(buffer: *mut u8, length: usize) -> isize {
    let mut read = 0;
    while read < length
        && let Some(byte) = hypervisor::read()
    {
        // SAFETY: the interface asks for a buffer of that length.
        unsafe { buffer.add(read).write(byte) };
        read += 1;
    }
    // What is left raises the line again.
    irq::poll();
    read as isize
}

/// Follows the mask of the console line.
pub(super) fn set_wanted(wanted: bool) {
    WANTED.store(wanted, Ordering::Relaxed);
}

/// Raises the console line if there is input.
pub(super) fn find() {
    if WANTED.load(Ordering::Relaxed) && hypervisor::has_input() {
        lines::signal(line::CONSOLE);
    }
}
