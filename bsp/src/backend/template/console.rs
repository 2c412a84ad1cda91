// SPDX-License-Identifier: MIT OR Apache-2.0
//! Console.

use paravirt_abi::line;

use super::{hypervisor, irq};
use crate::backend::lines;
use crate::local::Local;

/// Whether input raises the console line.
static WANTED: Local<bool> = Local::new(false);

pub(super) extern "C" fn write(buffer: *const u8, length: usize) -> isize {
    if length == 0 {
        return 0;
    }
    // SAFETY: the interface asks for a buffer of that length.
    let taken = hypervisor::write(unsafe { core::slice::from_raw_parts(buffer, length) });
    irq::poll();
    taken as isize
}

pub(super) extern "C" fn read(buffer: *mut u8, length: usize) -> isize {
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
    WANTED.set(wanted);
}

/// Raises the console line if there is input.
pub(super) fn find() {
    if WANTED.get() && hypervisor::has_input() {
        lines::signal(line::CONSOLE);
    }
}
