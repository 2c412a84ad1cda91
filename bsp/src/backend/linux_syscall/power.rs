// SPDX-License-Identifier: MIT OR Apache-2.0
//! Exit status of the process.

use paravirt_abi::shutdown::Reason;

use super::console;
use super::syscall::{EXIT_GROUP, syscall3};

crate::in_guest_functions! { pub(super) const FUNCTIONS = { pv_shutdown = shutdown }; }

/// Exit status after a fatal shutdown and after a reset, as of `pvhost run`.
const STATUS_FATAL: i32 = 3;
const STATUS_RESET: i32 = 4;

pub(super) extern "C" fn shutdown(reason: u32, code: i32) -> ! {
    console::restore_input();
    let status = match Reason::from_number(reason) {
        Some(Reason::Exit) => code & 0xff,
        Some(Reason::Reset) => STATUS_RESET,
        Some(Reason::Fatal) | None => STATUS_FATAL,
    };
    loop {
        // SAFETY: a number; the call does not return.
        unsafe { syscall3(EXIT_GROUP, status as usize, 0, 0) };
    }
}
