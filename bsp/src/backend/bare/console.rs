// SPDX-License-Identifier: MIT OR Apache-2.0
//! Console on the serial port.

use core::slice;

use paravirt_abi::error::Error;
use paravirt_abi::line;

use crate::backend::lines;
use crate::cpu;
use crate::local::Local;
use crate::machine::{message, serial};

crate::in_guest_functions! {
    pub(in crate::backend) const FUNCTIONS = { pv_console_read = read, pv_console_write = write };
}

/// Whether there is a port.
static IS_HERE: Local<bool> = Local::new(false);

/// Makes the port ready, if there is one. Messages of start-up and of faults go there from now on, and its input is the
/// console's line.
pub(in crate::backend) fn start() {
    if serial::is_here() {
        IS_HERE.set(true);
        serial::start();
        // SAFETY: it writes to the port and waits for nobody.
        unsafe { message::set_console(|text| serial::write_all(text.as_bytes())) };
    }
    lines::set_source(|line, unmasked| {
        if line != line::CONSOLE {
            return;
        }
        if IS_HERE.get() {
            serial::interrupt_on_input(unmasked);
        }
        if unmasked {
            announce_input();
        }
    });
}

/// Body of `pv_console_write`: as many bytes as the port takes at once, none while it is busy.
pub(in crate::backend) extern "C" fn write(buffer: *const u8, length: usize) -> isize {
    if !IS_HERE.get() {
        return Error::Device.number() as isize;
    }
    // The pointer may be null then.
    if length == 0 {
        return 0;
    }
    // SAFETY: the interface asks for a buffer of that length.
    let bytes = unsafe { slice::from_raw_parts(buffer, length) };
    // Without interrupts, because a handler that prints would fill the port's FIFO a second time.
    cpu::without_interrupts(|_| serial::write(bytes)) as isize
}

/// Body of `pv_console_read`. A serial line has no end of input; where there is no port, the input has ended.
pub(in crate::backend) extern "C" fn read(buffer: *mut u8, length: usize) -> isize {
    if !IS_HERE.get() {
        return Error::EndOfInput.number() as isize;
    }
    if length > isize::MAX as usize {
        return Error::InvalidArgument.number() as isize;
    }
    let mut count = 0;
    while count < length
        && let Some(byte) = serial::read()
    {
        // SAFETY: the interface asks for a buffer of that length, and `count` is below it.
        unsafe { buffer.add(count).write(byte) };
        count += 1;
    }
    // The port interrupts when it has something after having had nothing: what is left is announced here.
    announce_input();
    count as isize
}

/// Marks the console line if there is input, or its end, where there is no port.
pub(super) fn announce_input() {
    if !IS_HERE.get() || serial::has_input() {
        lines::signal(line::CONSOLE);
    }
}
