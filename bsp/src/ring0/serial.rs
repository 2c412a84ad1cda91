// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first serial port, a 16550 (PC16550D data sheet) or one of its forebears.

use super::port::{in8, out8};
use crate::local::Local;

const COM1: u16 = 0x3f8;
/// Registers; the first two are the divisor while [`DIVISOR_ACCESS`] is set.
const DATA: u16 = COM1;
const INTERRUPT_ENABLE: u16 = COM1 + 1;
const FIFO_CONTROL: u16 = COM1 + 2;
/// The same port, read.
const INTERRUPT_IDENTITY: u16 = FIFO_CONTROL;
const LINE_CONTROL: u16 = COM1 + 3;
const MODEM_CONTROL: u16 = COM1 + 4;
const LINE_STATUS: u16 = COM1 + 5;
const SCRATCH: u16 = COM1 + 7;

const DIVISOR_ACCESS: u8 = 1 << 7;
/// 8 bits, no parity, one stop bit.
const FORMAT: u8 = 3;
/// FIFOs on, both emptied.
const FIFOS: u8 = 7;
/// Interrupt identity: the FIFOs are on.
const HAS_FIFOS: u8 = 0xc0;
/// Terminal ready, request to send, and the output that lets interrupts through on a PC.
const MODEM: u8 = 0b1011;
/// Interrupt on received data.
const RECEIVED: u8 = 1;

const DATA_READY: u8 = 1;
const TRANSMITTER_EMPTY: u8 = 1 << 5;
const ALL_SENT: u8 = 1 << 6;

/// Bytes that the transmitter takes when it is empty: the depth of its FIFO, or one without.
static DEPTH: Local<usize> = Local::new(1);
const FIFO_DEPTH: usize = 16;

/// Whether there is a serial port. Where nothing is, reads give ones.
pub(crate) fn is_here() -> bool {
    out8(SCRATCH, 0x5a);
    let first = in8(SCRATCH);
    out8(SCRATCH, 0xa5);
    first == 0x5a && in8(SCRATCH) == 0xa5
}

/// 115200 baud, FIFOs on, interrupts off.
pub(crate) fn start() {
    // Turning the FIFOs on empties them. What was written before must not be cut off; and where a byte has been received
    // already, the port stays without, because on QEMU the next one may follow at any instant.
    drain();
    out8(INTERRUPT_ENABLE, 0);
    out8(LINE_CONTROL, DIVISOR_ACCESS);
    out8(COM1, 1); // divisor of 115200, low
    out8(COM1 + 1, 0); // high
    out8(LINE_CONTROL, FORMAT);
    if !has_input() {
        out8(FIFO_CONTROL, FIFOS);
        // An 8250 and a 16450 have none.
        if in8(INTERRUPT_IDENTITY) & HAS_FIFOS == HAS_FIFOS {
            DEPTH.set(FIFO_DEPTH);
        }
    }
    out8(MODEM_CONTROL, MODEM);
}

/// Turns the interrupt on received data on or off.
pub(crate) fn interrupt_on_input(on: bool) {
    out8(INTERRUPT_ENABLE, if on { RECEIVED } else { 0 });
}

/// Writes as long as the transmitter is empty; the number of bytes taken. Called with interrupts off: nobody else may write
/// between test and bytes.
pub(crate) fn write(bytes: &[u8]) -> usize {
    let mut taken = 0;
    for piece in bytes.chunks(DEPTH.get()) {
        if in8(LINE_STATUS) & TRANSMITTER_EMPTY == 0 {
            break;
        }
        for &byte in piece {
            out8(DATA, byte);
        }
        taken += piece.len();
    }
    taken
}

/// Writes all bytes, waiting for the transmitter. As [`write`].
pub(crate) fn write_all(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        bytes = &bytes[write(bytes)..];
    }
}

/// Whether a byte has been received.
pub(crate) fn has_input() -> bool {
    in8(LINE_STATUS) & DATA_READY != 0
}

/// The next received byte, if there is one.
pub(crate) fn read() -> Option<u8> {
    has_input().then(|| in8(DATA))
}

/// Waits until the last bit has left.
pub(crate) fn drain() {
    while in8(LINE_STATUS) & ALL_SENT == 0 {}
}
