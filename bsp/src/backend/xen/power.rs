// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of the domain.

use paravirt_abi::shutdown::Reason;

use super::hypercall::{self, Shutdown};
use super::qemu;

/// Body of `pv_shutdown`.
pub(super) extern "C" fn shutdown(reason: u32, code: i32) -> ! {
    match Reason::from_number(reason) {
        Some(Reason::Exit) => end("exit", code, Shutdown::Poweroff),
        Some(Reason::Reset) => end("reset", code, Shutdown::Reboot),
        Some(Reason::Fatal) | None => end("fatal", code, Shutdown::Crash),
    }
}

/// Ends the domain: QEMU with a record of why, where the domain controls a machine that QEMU emulates.
pub(super) fn end(reason: &str, code: i32, shutdown: Shutdown) -> ! {
    qemu::exit(reason, code);
    hypercall::shutdown(shutdown)
}
