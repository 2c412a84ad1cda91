// SPDX-License-Identifier: MIT OR Apache-2.0
//! The two interrupt controllers of a PC (Intel 8259A data sheet), and what their interrupts mean.

use paravirt_abi::line;

use super::console;
use crate::backend::{lines, timers};
use crate::ring0::interrupt;
use crate::ring0::port::{in8, out8};
use crate::ring0::serial;

/// Command and data of the first controller, and of the second, whose output is the first one's input 2.
const FIRST: (u16, u16) = (0x20, 0x21);
const SECOND: (u16, u16) = (0xa0, 0xa1);
const CASCADE: u8 = 2;

/// Initialization: edge-triggered, two controllers, four command words.
const INITIALIZE: u8 = 0x11;
/// 8086 mode, the end of an interrupt is told.
const MODE: u8 = 1;
const END_OF_INTERRUPT: u8 = 0x20;
/// The next read of the command port gives the interrupts in service.
const READ_IN_SERVICE: u8 = 0x0b;

/// Interrupts of the devices, by input.
const TIMER: u8 = 0;
const SERIAL: u8 = 4;
/// The controller's answer when an interrupt was withdrawn before it was taken.
const SPURIOUS: u8 = 7;

/// Makes the controllers deliver at our vectors, the timer and the serial port alone.
pub(super) fn start() {
    interrupt::set_handler(handle);
    lines::set_source(|line, unmasked| {
        if line == line::CONSOLE {
            serial::interrupt_on_input(unmasked);
            if unmasked {
                console::announce_input();
            }
        }
    });
    for ((command, data), vector, cascade) in [
        (FIRST, interrupt::FIRST, 1 << CASCADE),
        (SECOND, interrupt::FIRST + 8, CASCADE),
    ] {
        out8(command, INITIALIZE);
        out8(data, vector);
        out8(data, cascade);
        out8(data, MODE);
    }
    out8(FIRST.1, !(1 << TIMER | 1 << SERIAL));
    out8(SECOND.1, !0);
    // The processor's flag is off since the entry; turning interrupts on opens it.
    interrupt::mark_closed();
}

/// Takes an interrupt: acknowledges it, then finds out what it means, so that what comes meanwhile comes again.
fn handle(vector: u8) {
    match vector - interrupt::FIRST {
        TIMER => {
            out8(FIRST.0, END_OF_INTERRUPT);
            timers::expire();
        }
        SERIAL => {
            out8(FIRST.0, END_OF_INTERRUPT);
            console::announce_input();
        }
        SPURIOUS if !is_in_service(SPURIOUS) => {}
        // Nothing else is unmasked; the second controller's spurious interrupt comes through the first one's cascade input,
        // which is masked.
        _ => out8(FIRST.0, END_OF_INTERRUPT),
    }
}

fn is_in_service(input: u8) -> bool {
    out8(FIRST.0, READ_IN_SERVICE);
    in8(FIRST.0) & 1 << input != 0
}
