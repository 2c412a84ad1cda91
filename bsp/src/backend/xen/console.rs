// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console: Xen's own for the domain that controls the machine, else the ring that the domain shares with its
//! console server.

use core::fmt::Write;

use paravirt_abi::error::Error;
use paravirt_abi::line;

use super::ring::{OutOfRange, Ring};
use super::{events, hypercall, power};
use crate::backend::lines;
use crate::cpu;
use crate::local::Local;
use crate::machine::{message, qemu};

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
crate::in_guest_functions! { pub(super) const FUNCTIONS = { pv_console_read = read, pv_console_write = write }; }

/// Most bytes that one hypercall takes: Xen copies that many at a time.
const PIECE: usize = 128;
/// How often a message looks for room in the ring before it gives up on the server.
const POLL_LIMIT: u32 = 1 << 20;

/// The ring and its event channel.
static RING: Local<Option<(&'static Ring, u32)>> = Local::new(None);
/// Whether the console is ready.
static READY: Local<bool> = Local::new(false);

/// Has messages come out, before anything else works.
pub(super) fn start_messages() {
    // SAFETY: it writes to the ring or to Xen, and waits for nobody.
    unsafe { message::set_console(write_message) };
}

/// Uses Xen's own console.
pub(super) fn start_own() {
    match hypercall::bind_virq(events::VIRQ_CONSOLE) {
        Ok(port) => events::bind_console(port),
        // Output works all the same, and input when it is asked for.
        Err(error) => message::say(format_args!(
            "Xen gives no event channel for console input: error {error}"
        )),
    }
    start();
}

/// Uses `ring`, whose server is told and tells by the event channel `port`.
pub(super) fn start_ring(ring: &'static Ring, port: u32) {
    // SAFETY: at the start, before the first interrupt.
    unsafe { RING.set_large(Some((ring, port))) };
    events::bind_console(port);
    start();
}

fn start() {
    READY.set(true);
    lines::set_source(|line, unmasked| {
        if line == line::CONSOLE && unmasked && RING.get().is_some() && has_input() {
            lines::signal(line::CONSOLE);
        }
    });
}

/// Returns whether an event of the console means input. Xen's own console has no other events.
pub(super) fn has_input() -> bool {
    RING.get().is_none_or(|(ring, _)| checked(ring.available()) > 0)
}

/// Body of `pv_console_write`.
pub(super) extern "C" fn write(buffer: *const u8, length: usize) -> isize {
    if length == 0 {
        return 0;
    }
    // SAFETY: the interface asks for a buffer of that length.
    let bytes = unsafe { core::slice::from_raw_parts(buffer, length) };
    if let Some((ring, port)) = RING.get() {
        // Without interrupts, because a handler that prints would fill the same place.
        let taken = cpu::without_interrupts(|_| checked(ring.write(bytes)));
        hypercall::send(port);
        return taken as isize;
    }
    let piece = &bytes[..length.min(PIECE)];
    match hypercall::console_write(piece) {
        0 => piece.len() as isize,
        _ => Error::Device.number() as isize,
    }
}

/// Body of `pv_console_read`. Neither console has an end of input.
pub(super) extern "C" fn read(buffer: *mut u8, length: usize) -> isize {
    if length == 0 {
        return 0;
    }
    if let Some((ring, port)) = RING.get() {
        // SAFETY: the interface asks for a buffer of that length.
        let read = cpu::without_interrupts(|_| checked(unsafe { ring.read(buffer, length) }));
        if read > 0 {
            hypercall::send(port);
        }
        if has_input() {
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

/// A result of the ring. A server that breaks the ring's rules is not written to any more.
fn checked<T>(result: Result<T, OutOfRange>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => {
            // SAFETY: one word of it tells whether there is a ring, and nothing more is written.
            unsafe { RING.set_large(None) };
            power::refuse(format_args!("{error}"))
        }
    }
}

/// Writes a message on every channel that may be read: Xen's own console, which for most domains is a log that may be
/// switched off, and the ring; QEMU's debug console as long as nothing else is known to work.
fn write_message(text: &str) {
    hypercall::console_write(text.as_bytes());
    if let Some((ring, port)) = RING.get() {
        let mut rest = text.as_bytes();
        for _ in 0..POLL_LIMIT {
            let Ok(taken) = ring.write(rest) else { return };
            hypercall::send(port);
            rest = &rest[taken..];
            if rest.is_empty() {
                return;
            }
        }
    } else if !READY.get() && has_ports() && qemu::is_here() {
        // The debug console has no errors.
        let _ = qemu::DebugConsole.write_str(text);
    }
}

/// Returns whether QEMU may be asked for its debug console.
fn has_ports() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return super::domain::has_ports();
    #[cfg(target_arch = "aarch64")]
    true
}
