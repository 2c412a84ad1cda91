// SPDX-License-Identifier: MIT OR Apache-2.0
//! What QEMU gives beyond a PC: a console for messages, and an exit with a status.
//!
//! A shutdown leaves one line on the debug console (port 0xe9, QEMU's device `isa-debugcon`), the *record*, by which whoever started
//! QEMU knows how the guest ended: `paravirt: shutdown REASON CODE`. Then a write to port 0xf4 ends QEMU, if it has the device
//! `isa-debug-exit` there.

use core::fmt::{self, Write};

use super::port;

const DEBUG_CONSOLE: u16 = 0xe9;
const DEBUG_EXIT: u16 = 0xf4;
/// What a port reads as that no device has.
const NO_DEVICE: u8 = 0xff;

/// QEMU's configuration device (QEMU, docs/specs/fw_cfg.rst): selector and data.
const CONFIG_SELECTOR: u16 = 0x510;
const CONFIG_DATA: u16 = 0x511;
/// The item that says `QEMU`.
const SIGNATURE: u16 = 0;

/// Whether this machine is QEMU's. Elsewhere the ports above could be anything.
pub(crate) fn is_here() -> bool {
    port::out16(CONFIG_SELECTOR, SIGNATURE);
    b"QEMU"
        .iter()
        .all(|&letter| port::in8(CONFIG_DATA) == letter)
}

/// The debug console. Only where [`is_here`].
pub(crate) struct DebugConsole;

impl Write for DebugConsole {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            port::out8(DEBUG_CONSOLE, byte);
        }
        Ok(())
    }
}

/// Leaves the record and ends QEMU; does nothing elsewhere, and returns where QEMU has no device to end it.
///
/// With the device it does not return. QEMU 7.2 ends in the middle of the instruction, later versions end a moment later, and the
/// processor runs on until then. It spins, because `hlt` is not for every domain of Xen.
pub(crate) fn exit(reason: &str, code: i32) {
    if is_here() {
        // The debug console has no errors.
        let _ = writeln!(DebugConsole, "paravirt: shutdown {reason} {code}");
        port::out32(DEBUG_EXIT, code as u32 & 0x7f);
        if port::in8(DEBUG_EXIT) != NO_DEVICE {
            loop {
                core::hint::spin_loop();
            }
        }
    }
}
