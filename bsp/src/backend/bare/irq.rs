// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the interrupts of the devices to lines.

use paravirt_abi::line;

use super::{console, devices};
use crate::backend::{entry, lines};
use crate::machine::serial;

/// Makes the interrupt controller deliver those of the timer and the serial port alone.
pub(super) fn start() {
    lines::set_source(|line, unmasked| {
        if line != line::CONSOLE {
            return;
        }
        if serial::is_here() {
            serial::interrupt_on_input(unmasked);
        }
        if unmasked {
            console::announce_input();
        }
    });
    devices::start_interrupts();
    // The processor keeps interrupts away since the entry; turning interrupts on lets them in.
    entry::mark_host_closed();
}
