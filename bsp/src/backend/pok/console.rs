// SPDX-License-Identifier: MIT OR Apache-2.0
//! Console on the kernel's console, which all partitions share.

use paravirt_abi::error::Error;
use paravirt_abi::line;

use super::syscall::{CONSOLE_WRITE, GET_CHARACTER, OK, call};
use super::{irq, kernel};
use crate::backend::lines;
use crate::local::Local;

crate::in_guest_functions! { pub(super) const FUNCTIONS = { pv_console_read = read, pv_console_write = write }; }

/// Most bytes of one call: the layer's longest piece of a line. The kernel writes with its interrupts off, and its
/// clock counts interrupts, so time stands still meanwhile. What is written in one call no other partition can part.
const LONGEST: usize = 128;

/// Begins a command to the kernel's console; twice, it stands for itself.
const ESCAPE: u8 = 0xff;
/// Stays where a byte would come if there is none: the kernel does not tell otherwise. So a byte of this value, which
/// no text in UTF-8 has, is never seen.
const NOTHING: u8 = 0xfe;

/// A byte that was taken to see whether there is one.
static TAKEN: Local<Option<u8>> = Local::new(None);
/// Whether new input raises the console line.
static WANTED: Local<bool> = Local::new(false);

pub(super) extern "C" fn write(buffer: *const u8, length: usize) -> isize {
    if length == 0 {
        return 0;
    }
    // SAFETY: the interface asks for a buffer of that length.
    let bytes = unsafe { core::slice::from_raw_parts(buffer, length.min(LONGEST)) };
    let written = match bytes.iter().position(|&byte| byte == ESCAPE) {
        None => put(bytes).map(|()| bytes.len()),
        Some(0) => put(&[ESCAPE, ESCAPE]).map(|()| 1),
        Some(plain) => put(&bytes[..plain]).map(|()| plain),
    };
    irq::poll();
    match written {
        Ok(length) => length as isize,
        Err(error) => error.number() as isize,
    }
}

fn put(bytes: &[u8]) -> Result<(), Error> {
    // SAFETY: address and length of bytes that live through the call.
    match unsafe { call(CONSOLE_WRITE, [bytes.as_ptr() as usize as u32, bytes.len() as u32]) } {
        OK => Ok(()),
        _ => Err(Error::Device),
    }
}

pub(super) extern "C" fn read(buffer: *mut u8, length: usize) -> isize {
    if !kernel::current().has_input && length > 0 {
        return Error::EndOfInput.number() as isize;
    }
    let mut read = 0;
    while read < length {
        let Some(byte) = TAKEN.get().or_else(take) else {
            break;
        };
        TAKEN.set(None);
        // SAFETY: the interface asks for a buffer of that length.
        unsafe { buffer.add(read).write(byte) };
        read += 1;
    }
    // What is left raises the line again.
    irq::poll();
    read as isize
}

/// Takes a byte from the kernel, which must have a call for that, if there is one.
fn take() -> Option<u8> {
    let mut byte = NOTHING;
    // SAFETY: the address of a byte that lives through the call.
    unsafe { call(GET_CHARACTER, [&raw mut byte as usize as u32]) };
    (byte != NOTHING).then_some(byte)
}

/// Returns whether somebody waits for input.
pub(super) fn is_wanted() -> bool {
    WANTED.get()
}

/// Follows the mask of the console line.
pub(super) fn set_wanted(wanted: bool) {
    WANTED.set(wanted);
}

/// Raises the console line if there is input, or once if there never will be any: whoever waits finds that it has
/// ended.
pub(super) fn find() {
    if !WANTED.get() {
        return;
    }
    if !kernel::current().has_input {
        WANTED.set(false);
        lines::signal(line::CONSOLE);
        return;
    }
    if TAKEN.get().is_none() {
        TAKEN.set(take());
    }
    if TAKEN.get().is_some() {
        lines::signal(line::CONSOLE);
    }
}
