// SPDX-License-Identifier: MIT OR Apache-2.0
//! What QEMU gives beyond a PC: a console for messages, and an exit with a status.
//!
//! A shutdown leaves one line on the debug console (port 0xe9, QEMU's device `isa-debugcon`), the *record*, by which
//! whoever started QEMU knows how the guest ended: `paravirt: shutdown REASON CODE`. Of an end other than `exit` and
//! `reset`, registers and stack come before it (`last_state.rs`). Then a write to port 0xf4 ends QEMU, if it has the
//! device `isa-debug-exit` there.

use core::fmt::{self, Write};

use super::port::Port;
use crate::last_state;

const DEBUG_CONSOLE: Port = port(0xe9);
const DEBUG_EXIT: Port = port(0xf4);
/// What a port reads as that no device has.
const NO_DEVICE: u8 = 0xff;

/// QEMU's configuration device (QEMU, docs/specs/fw_cfg.rst): selector and data.
const CONFIG_SELECTOR: Port = port(0x510);
const CONFIG_DATA: Port = port(0x511);
/// The item that says `QEMU`.
const SIGNATURE: u16 = 0;

const fn port(number: u16) -> Port {
    // SAFETY: of QEMU's devices, none of which touches memory that way: its configuration device does so by other
    // ports.
    unsafe { Port::new(number) }
}

/// Returns whether this machine is QEMU's. Elsewhere the ports above could be anything.
pub fn is_here() -> bool {
    CONFIG_SELECTOR.out16(SIGNATURE);
    b"QEMU".iter().all(|&letter| CONFIG_DATA.in8() == letter)
}

/// The debug console. Only where [`is_here`].
pub(crate) struct DebugConsole;

impl Write for DebugConsole {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            DEBUG_CONSOLE.out8(byte);
        }
        Ok(())
    }
}

/// Leaves the record and ends QEMU; does nothing elsewhere, and returns where QEMU has no device to end it.
///
/// With the device it does not return. QEMU 7.2 ends in the middle of the instruction, later versions end a moment
/// later, and the processor runs on until then. It spins, because `hlt` is not for every domain of Xen.
pub fn exit(reason: &str, code: i32) {
    if is_here() {
        // The debug console has no errors.
        if !matches!(reason, "exit" | "reset") {
            let _ = last_state::tell(&mut DebugConsole);
        }
        let _ = writeln!(DebugConsole, "paravirt: shutdown {reason} {code}");
        DEBUG_EXIT.out32(code as u32 & 0x7f);
        if DEBUG_EXIT.in8() != NO_DEVICE {
            loop {
                core::hint::spin_loop();
            }
        }
    }
}
