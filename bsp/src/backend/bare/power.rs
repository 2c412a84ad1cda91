// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of the guest: QEMU exits; another PC is reset or halts.

use paravirt_abi::shutdown::Reason;

use crate::ring0::port::out8;
use crate::ring0::{message, processor, qemu, serial};

/// Reset control of PCs since the nineties: a full reset.
const RESET_CONTROL: u16 = 0xcf9;
const FULL_RESET: u8 = 6;
/// The keyboard controller's pulse on the reset line, of older ones.
const KEYBOARD_COMMAND: u16 = 0x64;
const PULSE_RESET: u8 = 0xfe;

/// Body of `pv_shutdown`.
pub(super) extern "C" fn shutdown(reason: u32, code: i32) -> ! {
    let reason = Reason::from_number(reason).unwrap_or(Reason::Fatal);
    let name = match reason {
        Reason::Exit => "exit",
        Reason::Reset => "reset",
        Reason::Fatal => "fatal",
    };
    serial::drain();
    qemu::exit(name, code);
    if reason == Reason::Reset {
        out8(RESET_CONTROL, FULL_RESET);
        out8(KEYBOARD_COMMAND, PULSE_RESET);
    }
    message::say(format_args!("shutdown {name} {code}; the processor halts"));
    processor::halt()
}
