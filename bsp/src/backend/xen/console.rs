// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console: Xen's own for the domain that controls the machine, else the ring that the domain shares with its console
//! server.

use paravirt_abi::error::Error;
use paravirt_abi::line;

use super::ring::{self, Ring};
use super::{events, hypercall};
use crate::backend::lines;
use crate::local::Local;

/// Most bytes that one hypercall takes: Xen copies that many at a time.
const PIECE: usize = 128;

static RING: Local<Option<&'static Ring>> = Local::new(None);

/// Uses Xen's own console.
pub(super) fn start_own() {
    announce_input_on_unmask();
    if let Ok(port) = hypercall::bind_virq(events::VIRQ_CONSOLE) {
        events::bind_console(port);
    }
}

/// Uses `ring`, whose server is told and tells by the event channel `port`.
pub(super) fn start_ring(ring: &'static Ring, port: u32) {
    RING.set(Some(ring));
    announce_input_on_unmask();
    ring::set_port(port);
    events::bind_console(port);
}

fn announce_input_on_unmask() {
    lines::set_source(|line, unmasked| {
        if line == line::CONSOLE && unmasked && RING.get().is_some_and(Ring::has_input) {
            lines::signal(line::CONSOLE);
        }
    });
}

/// Whether an event of the console means input. Xen's own console has no other events.
pub(super) fn has_input() -> bool {
    RING.get().is_none_or(Ring::has_input)
}

/// Body of `pv_console_write`.
pub(super) extern "C" fn write(buffer: *const u8, length: usize) -> isize {
    if length == 0 {
        return 0;
    }
    // SAFETY: the interface's contract: valid for reads of its length.
    let bytes = unsafe { core::slice::from_raw_parts(buffer, length) };
    if let Some(ring) = RING.get() {
        return ring.write(bytes) as isize;
    }
    let piece = &bytes[..length.min(PIECE)];
    match hypercall::console_write(piece) {
        0 => piece.len() as isize,
        _ => Error::Device.number() as isize,
    }
}

/// Body of `pv_console_read`.
pub(super) extern "C" fn read(buffer: *mut u8, length: usize) -> isize {
    if length == 0 {
        return 0;
    }
    if let Some(ring) = RING.get() {
        // SAFETY: the interface's contract: valid for writes of its length.
        let read = unsafe { ring.read(buffer, length) };
        if ring.has_input() {
            lines::signal(line::CONSOLE);
        }
        return read as isize;
    }
    // SAFETY: as above.
    match unsafe { hypercall::console_read(buffer, length) } {
        error if error < 0 => Error::Device.number() as isize,
        read => {
            // Xen does not say whether more is there; a full buffer is a sign of it.
            if read as usize == length {
                lines::signal(line::CONSOLE);
            }
            read
        }
    }
}
