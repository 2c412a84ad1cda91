// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console: a serial port, else Xen's own.
//!
//! Xen prints what a domain writes there when a line ends, what can be printed of it, and only if its option
//! `guest_loglvl` lets it.

use paravirt_abi::error::Error;

use crate::backend::bare::console as serial_console;
use crate::backend::xen::{hypercall, power};
use crate::cpu;
use crate::local::Local;
use crate::machine::{message, serial};

crate::in_guest_functions! {
    pub(in super::super) const FUNCTIONS = { pv_console_read = read, pv_console_write = write };
}

/// Most bytes that one hypercall takes: Xen copies that many at a time.
const PIECE: usize = 128;

/// Whether Xen holds a line back that has not ended.
static IN_LINE: Local<bool> = Local::new(false);

/// Makes the console ready; messages go there from now on.
pub(super) fn start() {
    if serial::is_here() {
        return serial_console::start();
    }
    let error = print(b"");
    if error < 0 {
        power::refuse(format_args!(
            "Xen gives this domain neither a serial port nor its own console (error {error}), and a console in a ring \
            is not used on AArch64 yet; give the domain a serial port (`vpl011` in Xen's device tree, for xl `vuart`)"
        ));
    }
    // SAFETY: it calls Xen, and waits for nobody.
    unsafe {
        message::set_console(|text| {
            print(text.as_bytes());
        })
    };
}

/// Has out what was written, before the domain ends.
pub(in super::super) fn finish() {
    if serial::is_here() {
        serial::drain();
    } else if IN_LINE.get() {
        print(b"\n");
    }
}

/// Body of `pv_console_write`.
pub(super) extern "C" fn write(buffer: *const u8, length: usize) -> isize {
    if serial::is_here() {
        return serial_console::write(buffer, length);
    }
    if length == 0 {
        return 0;
    }
    // SAFETY: the interface asks for a buffer of that length.
    let bytes = unsafe { core::slice::from_raw_parts(buffer, length) };
    let piece = &bytes[..length.min(PIECE)];
    cpu::without_interrupts(|_| match print(piece) {
        0 => piece.len() as isize,
        _ => Error::Device.number() as isize,
    })
}

/// Body of `pv_console_read`.
pub(super) extern "C" fn read(buffer: *mut u8, length: usize) -> isize {
    if serial::is_here() {
        return serial_console::read(buffer, length);
    }
    Error::EndOfInput.number() as isize
}

/// Prints on Xen's own console; a negative error number on failure.
fn print(text: &[u8]) -> isize {
    if let Some(last) = text.last() {
        IN_LINE.set(*last != b'\n');
    }
    hypercall::console_write(text)
}
