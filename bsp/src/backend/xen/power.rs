// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of the domain.

use core::fmt;

use paravirt_abi::shutdown::Reason;

use super::hypercall::{self, Shutdown};
use crate::machine::message;

crate::in_guest_functions! { pub(super) const FUNCTIONS = { pv_shutdown = shutdown }; }

/// Body of `pv_shutdown`.
pub(super) extern "C" fn shutdown(reason: u32, code: i32) -> ! {
    let reason = Reason::from_number(reason).unwrap_or(Reason::Fatal);
    let shutdown = match reason {
        Reason::Exit => Shutdown::Poweroff,
        Reason::Reset => Shutdown::Reboot,
        Reason::Fatal => Shutdown::Crash,
    };
    end(reason.name(), code, shutdown)
}

/// Ends the domain after a fault, see `set_stop` of `ring0` and `el1`.
pub(super) fn stop(reason: &str, code: i32) -> ! {
    end(reason, code, Shutdown::Crash)
}

/// Says why the domain cannot go on, and ends it.
pub(super) fn refuse(why: fmt::Arguments<'_>) -> ! {
    message::say(why);
    stop("fault", 1)
}

/// Ends the domain, with a record of why in QEMU.
fn end(reason: &str, code: i32, shutdown: Shutdown) -> ! {
    tell(reason, code);
    hypercall::shutdown(shutdown)
}

/// Ends QEMU with that record, where the domain controls a machine that QEMU emulates.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
fn tell(reason: &str, code: i32) {
    if super::domain::has_ports() {
        crate::ring0::qemu::exit(reason, code);
    }
}

/// Leaves that record, where the domain was given a device of QEMU's for it; whoever started QEMU ends it then.
#[cfg(target_arch = "aarch64")]
fn tell(reason: &str, code: i32) {
    super::arm::finish();
    crate::el1::qemu::record(reason, code);
}
