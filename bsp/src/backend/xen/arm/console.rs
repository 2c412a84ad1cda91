// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console: a serial port; else Xen's own or the ring, as of any domain; else, where Xen has built the domain
//! without its tools and gives it no port, Xen's log.
//!
//! Xen puts there what a domain writes when a line ends, what can be printed of it, and only if its option
//! `guest_loglvl` lets it.

use paravirt_abi::error::Error;

use crate::backend::bare::console as serial_console;
use crate::backend::xen::ring::Ring;
use crate::backend::xen::{console, hypercall, power};
use crate::el1::paging::{self, Kind};
use crate::local::Local;
use crate::machine::{message, serial};

crate::in_guest_functions! {
    pub(in crate::backend::xen) const FUNCTIONS = { pv_console_read = read, pv_console_write = write };
}

const PAGE: u64 = 4096;
/// The last page that can be mapped.
const LAST_PAGE: u64 = paging::LIMIT / PAGE - 1;

/// Whether the console is Xen's log.
static IS_LOG: Local<bool> = Local::new(false);
/// Whether Xen holds a line of it back that has not ended.
static IN_LINE: Local<bool> = Local::new(false);

/// Makes the console ready. `controls_machine`: whether this domain does.
pub(super) fn start(controls_machine: bool) {
    if serial::is_here() {
        return serial_console::start();
    }
    if controls_machine {
        return console::start_own();
    }
    match hypercall::console() {
        (Some(page @ 1..=LAST_PAGE), Some(port @ 1..)) => {
            let (address, end) = (page * PAGE, (page + 1) * PAGE);
            let (taken, taken_end) = paging::taken();
            let is_taken = paging::is_moved() && address < taken_end && taken < end;
            if is_taken || paging::map(address, end, Kind::Memory).is_err() {
                power::refuse(format_args!(
                    "Xen has the ring of the console at {address:#x}, which cannot be mapped"
                ));
            }
            // SAFETY: Xen's tools put the ring there, and it was mapped, one to one.
            let ring = unsafe { &*core::ptr::with_exposed_provenance::<Ring>(address as usize) };
            console::start_ring(ring, port as u32);
        }
        _ => start_log(),
    }
}

fn start_log() {
    let error = hypercall::console_write(b"");
    if error < 0 {
        power::refuse(format_args!(
            "Xen gives this domain no console: no serial port, no ring, and not its log (error {error}); give it a \
            serial port (`vpl011` in Xen's device tree)"
        ));
    }
    IS_LOG.set(true);
    // Its input ends as that of a machine without a port.
    serial_console::start();
    // SAFETY: it calls Xen, and waits for nobody.
    unsafe {
        message::set_console(|text| {
            hypercall::console_write(text.as_bytes());
            note_end(text.as_bytes());
        })
    };
}

/// Notes whether a line has ended with what was written to the log.
fn note_end(written: &[u8]) {
    if let Some(last) = written.last() {
        IN_LINE.set(*last != b'\n');
    }
}

/// Has out what was written, before the domain ends.
pub(in crate::backend::xen) fn finish() {
    if serial::is_here() {
        serial::drain();
    } else if IN_LINE.get() {
        hypercall::console_write(b"\n");
    }
}

/// Body of `pv_console_write`.
pub(super) extern "C" fn write(buffer: *const u8, length: usize) -> isize {
    if serial::is_here() {
        return serial_console::write(buffer, length);
    }
    let written = console::write(buffer, length);
    if IS_LOG.get() && written > 0 {
        // SAFETY: the interface asks for a buffer of that length, of which so much was written.
        note_end(unsafe { core::slice::from_raw_parts(buffer, written as usize) });
    }
    written
}

/// Body of `pv_console_read`.
pub(super) extern "C" fn read(buffer: *mut u8, length: usize) -> isize {
    if serial::is_here() {
        serial_console::read(buffer, length)
    } else if IS_LOG.get() {
        Error::EndOfInput.number() as isize
    } else {
        console::read(buffer, length)
    }
}
