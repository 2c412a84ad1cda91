// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of the guest: QEMU exits; another machine is reset, or is switched off where it can be, or halts.

use paravirt_abi::shutdown::Reason;

use super::devices;
use crate::machine::{message, processor, qemu, serial};

crate::in_guest_functions! { pub(super) const FUNCTIONS = { pv_shutdown = shutdown }; }

/// Body of `pv_shutdown`.
pub(super) extern "C" fn shutdown(reason: u32, code: i32) -> ! {
    let reason = Reason::from_number(reason).unwrap_or(Reason::Fatal);
    serial::drain();
    qemu::exit(reason.name(), code);
    if reason == Reason::Reset {
        devices::reset();
    } else {
        devices::switch_off();
    }
    message::say(format_args!("shutdown {} {code}; the processor halts", reason.name()));
    processor::halt()
}
