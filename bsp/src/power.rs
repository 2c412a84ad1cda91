// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a guest.
//!
//! ```no_run
//! use paravirt_bsp::{power, start};
//!
//! fn run() {
//!     match start::arguments().next() {
//!         Some("again") => power::reset(),
//!         Some(word) => power::fatal(format_args!("what is `{word}`?"), 2),
//!         None => power::exit(0), // as when `main` returns
//!     }
//! }
//! # fn main() {}
//! ```

use core::fmt;

use paravirt_abi::shutdown::Reason;

use crate::{console, cpu, interface};

/// Ends the guest; the host's exit status is the low byte of `code`.
pub fn exit(code: i32) -> ! {
    shutdown(Reason::Exit, code)
}

/// Asks the host for a reset. Hosts that cannot restart a guest end it and say so by their exit status.
pub fn reset() -> ! {
    shutdown(Reason::Reset, 0)
}

/// Prints `message` and ends the guest as failed; `code` is for the host's report.
pub fn fatal(message: fmt::Arguments<'_>, code: i32) -> ! {
    crate::println!("fatal: {message}");
    shutdown(Reason::Fatal, code)
}

/// Ends the guest for `reason`.
pub fn shutdown(reason: Reason, code: i32) -> ! {
    cpu::disable_interrupts();
    // There is nobody left to tell of an error.
    let _ = console::flush();
    interface::pv_shutdown(reason as u32, code)
}
