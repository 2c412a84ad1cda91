// SPDX-License-Identifier: MIT OR Apache-2.0
//! A serial port, Arm's PL011 (PrimeCell UART technical reference manual, r1p5), or what the Server Base System
//! Architecture has of it, where its registers of format and control are not there (`arm,sbsa-uart`).

use core::fmt;
use core::ptr::{read_volatile, with_exposed_provenance_mut, write_volatile};

use super::device_tree::Node;
use super::paging::{self, Kind};
use crate::local::Local;

/// Bytes of the registers.
const REGISTERS: u64 = 0x1000;

/// Registers, by their offsets.
const DATA: usize = 0x00;
const FLAGS: usize = 0x18;
const LINE_CONTROL: usize = 0x2c;
const CONTROL: usize = 0x30;
const INTERRUPT_MASK: usize = 0x38;
const INTERRUPT_CLEAR: usize = 0x44;

/// Flags.
const BUSY: u32 = 1 << 3;
const RECEIVE_EMPTY: u32 = 1 << 4;
const TRANSMIT_FULL: u32 = 1 << 5;
/// 8 bits, with FIFOs.
const FORMAT: u32 = 3 << 5 | 1 << 4;
/// Receive, transmit, on; terminal ready, request to send.
const ON: u32 = 1 << 11 | 1 << 10 | 1 << 9 | 1 << 8 | 1;
/// Interrupts: received, and received some time ago.
const RECEIVED: u32 = 1 << 6 | 1 << 4;

/// Address of the port's registers, 0 as long as none is known.
static BASE: Local<usize> = Local::new(0);

/// Whether it has a format and a control register.
static IS_WHOLE: Local<bool> = Local::new(false);

/// Number of its interrupt, 0 for none.
static INTERRUPT: Local<u32> = Local::new(0);

/// Why a port that the device tree names is not used.
#[derive(Clone, Copy, Debug)]
pub(super) enum Problem {
    /// The tree does not say where it is.
    Nowhere,
    /// It is at that address.
    Unmapped(u64, paging::Problem),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str(
                "the serial port is not used: the device tree gives it no address that all buses above it translate",
            ),
            Self::Unmapped(address, problem) => write!(
                f,
                "the serial port at {address:#x} is not used, since it cannot be mapped: {problem}"
            ),
        }
    }
}

/// Takes a node of the device tree for the port if it is the first one that is not switched off. For the entry.
///
/// # Errors
/// It would be, but that it cannot be used.
pub(super) fn find(node: &Node<'_>) -> Result<(), Problem> {
    if is_here() {
        return Ok(());
    }
    let is_whole = node.is_any(&[b"arm,pl011"]);
    if !is_whole && !node.is_any(&[b"arm,sbsa-uart"]) {
        return Ok(());
    }
    let (start, _) = node.ranges(1).next().ok_or(Problem::Nowhere)?;
    paging::map(start, start.saturating_add(REGISTERS), Kind::Device)
        .map_err(|problem| Problem::Unmapped(start, problem))?;
    BASE.set(start as usize);
    IS_WHOLE.set(is_whole);
    INTERRUPT.set(node.interrupt(0).unwrap_or(0));
    Ok(())
}

/// The number of its interrupt, if it has one.
#[must_use]
pub fn interrupt() -> Option<u32> {
    Some(INTERRUPT.get()).filter(|&number| number != 0)
}

/// Returns whether there is a serial port.
pub fn is_here() -> bool {
    BASE.get() != 0
}

fn read_register(offset: usize) -> u32 {
    // SAFETY: a register of the port that the device tree names, and that was mapped; it is only called where one is
    // known, by the entry, faults, and one backend.
    unsafe { read_volatile(with_exposed_provenance_mut(BASE.get() + offset)) }
}

fn write_register(offset: usize, value: u32) {
    // SAFETY: as above.
    unsafe { write_volatile(with_exposed_provenance_mut(BASE.get() + offset), value) };
}

/// FIFOs on, interrupts off; the rate stays as the loader left it.
pub fn start() {
    drain();
    write_register(INTERRUPT_MASK, 0);
    if !IS_WHOLE.get() {
        return;
    }
    // Turning the FIFOs on empties them. Where a byte has been received already, the port stays without. The format may
    // be changed while the port is off only.
    if !has_input() {
        write_register(CONTROL, 0);
        write_register(LINE_CONTROL, FORMAT);
    }
    write_register(CONTROL, ON);
}

/// Turns the interrupt on received data on or off.
pub fn interrupt_on_input(on: bool) {
    write_register(INTERRUPT_MASK, if on { RECEIVED } else { 0 });
}

/// Takes the interrupt back: it comes again with the next byte.
pub fn acknowledge() {
    write_register(INTERRUPT_CLEAR, RECEIVED);
}

/// Writes as long as the transmitter takes something; the number of bytes taken.
pub fn write(bytes: &[u8]) -> usize {
    let taken = bytes.iter().take_while(|&&byte| {
        let has_room = read_register(FLAGS) & TRANSMIT_FULL == 0;
        if has_room {
            write_register(DATA, byte.into());
        }
        has_room
    });
    taken.count()
}

/// Writes all bytes, waiting for the transmitter.
pub fn write_all(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        bytes = &bytes[write(bytes)..];
    }
}

/// Returns whether a byte has been received.
pub fn has_input() -> bool {
    read_register(FLAGS) & RECEIVE_EMPTY == 0
}

/// The next received byte, if there is one.
pub fn read() -> Option<u8> {
    has_input().then(|| read_register(DATA) as u8)
}

/// Waits until the last bit has left.
pub fn drain() {
    while is_here() && read_register(FLAGS) & BUSY != 0 {}
}
