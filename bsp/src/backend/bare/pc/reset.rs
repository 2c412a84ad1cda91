// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a PC is reset.

use crate::ring0::port::Port;

/// Reset control of PCs since the nineties: a full reset.
const RESET_CONTROL: Port = port(0xcf9);
const FULL_RESET: u8 = 6;
/// The keyboard controller's pulse on the reset line, of older ones.
const KEYBOARD_COMMAND: Port = port(0x64);
const PULSE_RESET: u8 = 0xfe;

const fn port(number: u16) -> Port {
    // SAFETY: the machine is reset there; nothing else is written, and nothing runs afterwards.
    unsafe { Port::new(number) }
}

/// Resets the PC, or returns a moment before that.
pub(in super::super) fn reset() {
    RESET_CONTROL.out8(FULL_RESET);
    KEYBOARD_COMMAND.out8(PULSE_RESET);
}

/// Where a PC is switched off, only ACPI says.
pub(in super::super) fn switch_off() {}
