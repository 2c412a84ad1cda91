// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of the guest: QEMU exits; another PC is reset or halts.

use paravirt_abi::shutdown::Reason;

use crate::ring0::port::Port;
use crate::ring0::{message, processor, qemu, serial};

crate::in_guest_functions! { pub(super) const FUNCTIONS = { pv_shutdown = shutdown }; }

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
        RESET_CONTROL.out8(FULL_RESET);
        KEYBOARD_COMMAND.out8(PULSE_RESET);
    }
    message::say(format_args!("shutdown {name} {code}; the processor halts"));
    processor::halt()
}
