// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of the domain.

use core::fmt;

use paravirt_abi::shutdown::Reason;

use super::domain;
use super::hypercall::{self, Shutdown};
use crate::ring0::{message, qemu};

crate::in_guest_functions! { pub(super) const FUNCTIONS = { pv_shutdown = shutdown }; }

/// Body of `pv_shutdown`.
pub(super) extern "C" fn shutdown(reason: u32, code: i32) -> ! {
    match Reason::from_number(reason) {
        Some(Reason::Exit) => end("exit", code, Shutdown::Poweroff),
        Some(Reason::Reset) => end("reset", code, Shutdown::Reboot),
        Some(Reason::Fatal) | None => end("fatal", code, Shutdown::Crash),
    }
}

/// Ends the domain after a fault, see [`crate::ring0::set_stop`].
pub(super) fn stop(reason: &str, code: i32) -> ! {
    end(reason, code, Shutdown::Crash)
}

/// Says why the domain cannot go on, and ends it.
pub(super) fn refuse(why: fmt::Arguments<'_>) -> ! {
    message::say(why);
    stop("fault", 1)
}

/// Ends the domain: QEMU with a record of why, where the domain controls a machine that QEMU emulates.
fn end(reason: &str, code: i32, shutdown: Shutdown) -> ! {
    if domain::has_ports() {
        qemu::exit(reason, code);
    }
    hypercall::shutdown(shutdown)
}
