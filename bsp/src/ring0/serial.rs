// SPDX-License-Identifier: MIT OR Apache-2.0
//! The first serial port, a 16550 (PC16550D data sheet) or one of its forebears.

use super::port::Port;
use crate::local::Local;

/// Registers.
const DATA: Port = register(0);
const INTERRUPT_ENABLE: Port = register(1);
/// The divisor, in the place of both, while [`DIVISOR_ACCESS`] is set.
const DIVISOR_LOW: Port = register(0);
const DIVISOR_HIGH: Port = register(1);
const FIFO_CONTROL: Port = register(2);
/// The same port, read.
const INTERRUPT_IDENTITY: Port = register(2);
const LINE_CONTROL: Port = register(3);
const MODEM_CONTROL: Port = register(4);
const LINE_STATUS: Port = register(5);
const SCRATCH: Port = register(7);

const fn register(number: u16) -> Port {
    const COM1: u16 = 0x3f8;
    // SAFETY: a port that moves bytes and touches no memory. It is this module's.
    unsafe { Port::new(COM1 + number) }
}

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

/// Returns whether there is a serial port. Where nothing is, reads give ones.
pub fn is_here() -> bool {
    SCRATCH.out8(0x5a);
    let first = SCRATCH.in8();
    SCRATCH.out8(0xa5);
    first == 0x5a && SCRATCH.in8() == 0xa5
}

/// 115200 baud, FIFOs on, interrupts off.
pub fn start() {
    // Turning the FIFOs on empties them. What was written before must not be cut off; and where a byte has been
    // received already, the port stays without, because on QEMU the next one may follow at any instant.
    drain();
    INTERRUPT_ENABLE.out8(0);
    LINE_CONTROL.out8(DIVISOR_ACCESS);
    DIVISOR_LOW.out8(1); // of 115200
    DIVISOR_HIGH.out8(0);
    LINE_CONTROL.out8(FORMAT);
    if !has_input() {
        FIFO_CONTROL.out8(FIFOS);
        // An 8250 and a 16450 have none.
        if INTERRUPT_IDENTITY.in8() & HAS_FIFOS == HAS_FIFOS {
            DEPTH.set(FIFO_DEPTH);
        }
    }
    MODEM_CONTROL.out8(MODEM);
}

/// Turns the interrupt on received data on or off.
pub fn interrupt_on_input(on: bool) {
    INTERRUPT_ENABLE.out8(if on { RECEIVED } else { 0 });
}

/// Writes as long as the transmitter is empty; the number of bytes taken. Called with interrupts off: nobody else may
/// write between test and bytes.
pub fn write(bytes: &[u8]) -> usize {
    let mut taken = 0;
    for piece in bytes.chunks(DEPTH.get()) {
        if LINE_STATUS.in8() & TRANSMITTER_EMPTY == 0 {
            break;
        }
        for &byte in piece {
            DATA.out8(byte);
        }
        taken += piece.len();
    }
    taken
}

/// Writes all bytes, waiting for the transmitter. As [`write()`].
pub fn write_all(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        bytes = &bytes[write(bytes)..];
    }
}

/// Returns whether a byte has been received.
pub fn has_input() -> bool {
    LINE_STATUS.in8() & DATA_READY != 0
}

/// The next received byte, if there is one.
pub fn read() -> Option<u8> {
    has_input().then(|| DATA.in8())
}

/// Waits until the last bit has left.
pub fn drain() {
    while LINE_STATUS.in8() & ALL_SENT == 0 {}
}
