// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of the guest: QEMU exits; another machine is reset, or is switched off where it can be, or halts.

use paravirt_abi::shutdown::Reason;

use super::devices;
use crate::machine::{message, processor, qemu, serial};

crate::in_guest_functions! { pub(super) const FUNCTIONS = { pv_shutdown = shutdown }; }

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
        devices::reset();
    } else {
        devices::switch_off();
    }
    message::say(format_args!("shutdown {name} {code}; the processor halts"));
    processor::halt()
}
