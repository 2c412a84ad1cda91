// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a domain that cannot start, or whose host does what it must not.

use core::fmt::{self, Write};

use super::hypercall::{self, Shutdown};
use super::{power, qemu};

/// Says why on Xen's own console and on QEMU's debug console, and stops. Needs nothing but the hypercall instruction.
pub(super) fn refuse(why: fmt::Arguments<'_>) -> ! {
    // The writer has no errors.
    let _ = writeln!(Channels, "paravirt: {why}");
    power::end("fault", 1, Shutdown::Crash)
}

/// Every channel that a domain may have before its console works.
pub(super) struct Channels;

impl Write for Channels {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        hypercall::console_write(text.as_bytes());
        qemu::debug_write(text.as_bytes());
        Ok(())
    }
}
