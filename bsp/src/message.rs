// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages of start-up and last words, on the best channel that there is.

use core::fmt::{self, Write};

use crate::local::Local;
use crate::machine::{qemu, serial};

/// The backend's console.
static CONSOLE: Local<Option<fn(&str)>> = Local::new(None);

/// From now on, messages go to the backend's console, by `write`, which writes all of the text. It is called in any
/// state, also between two bytes of a text that the guest writes.
///
/// # Safety
/// It is called in faults and entries, amid the critical sections of others: it touches what is its own alone.
pub unsafe fn set_console(write: fn(&str)) {
    CONSOLE.set(Some(write));
}

/// Prints a line, beginning with `paravirt: `: on the backend's console if it is up, else on QEMU's debug console and
/// on the first serial port, whichever exist and are known.
pub fn say(message: fmt::Arguments<'_>) {
    if CONSOLE.get().is_none() && serial::is_here() {
        serial::start();
    }
    // The channels have no errors.
    let _ = writeln!(Channel, "paravirt: {message}");
}

/// Prints a line where no code of a backend is needed for it. For a fault while another is being reported.
pub fn say_without_console(message: fmt::Arguments<'_>) {
    CONSOLE.set(None);
    say(message);
}

/// Prints a line on QEMU's debug console alone. For a fault of which the serial port may be the reason.
pub fn say_to_debug_console(message: fmt::Arguments<'_>) {
    if qemu::is_here() {
        // It has no errors.
        let _ = writeln!(qemu::DebugConsole, "paravirt: {message}");
    }
}

struct Channel;

impl Write for Channel {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if let Some(write) = CONSOLE.get() {
            write(text);
            return Ok(());
        }
        if qemu::is_here() {
            qemu::DebugConsole.write_str(text)?;
        }
        if serial::is_here() {
            serial::write_all(text.as_bytes());
        }
        Ok(())
    }
}
