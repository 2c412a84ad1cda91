// SPDX-License-Identifier: MIT OR Apache-2.0
//! The two interrupt controllers of a PC (Intel 8259A data sheet), and what their interrupts mean.

use crate::backend::bare::console;
use crate::backend::{entry, timers};
use crate::ring0::interrupt;
use crate::ring0::port::Port;

/// Command and data of the first controller, and of the second, whose output is the first one's input 2.
const FIRST: (Port, Port) = (port(0x20), port(0x21));
const SECOND: (Port, Port) = (port(0xa0), port(0xa1));
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

const fn port(number: u16) -> Port {
    // SAFETY: of the interrupt controllers, which touch no memory. They are this module's.
    unsafe { Port::new(number) }
}

/// Makes the controllers deliver at our vectors, the timer and the serial port alone.
pub(super) fn start_interrupts() {
    // SAFETY: it touches the controllers, the serial port, lines and timers.
    unsafe { interrupt::set_handler(handle) };
    for ((command, data), vector, cascade) in [
        (FIRST, interrupt::FIRST, 1 << CASCADE),
        (SECOND, interrupt::FIRST + 8, CASCADE),
    ] {
        command.out8(INITIALIZE);
        data.out8(vector);
        data.out8(cascade);
        data.out8(MODE);
    }
    FIRST.1.out8(!(1 << TIMER | 1 << SERIAL));
    SECOND.1.out8(!0);
    // The processor keeps interrupts away since the entry; turning interrupts on lets them in.
    entry::mark_host_closed();
}

/// Takes an interrupt: acknowledges it, then finds out what it means, so that what comes meanwhile comes again.
fn handle(vector: u8) {
    match vector - interrupt::FIRST {
        TIMER => {
            FIRST.0.out8(END_OF_INTERRUPT);
            // SAFETY: the entry of interrupts.
            unsafe { timers::expire() };
        }
        SERIAL => {
            FIRST.0.out8(END_OF_INTERRUPT);
            console::announce_input();
        }
        SPURIOUS if !is_in_service(SPURIOUS) => {}
        // Nothing else is unmasked; the second controller's spurious interrupt comes through the first one's cascade
        // input, which is masked.
        _ => FIRST.0.out8(END_OF_INTERRUPT),
    }
}

fn is_in_service(input: u8) -> bool {
    FIRST.0.out8(READ_IN_SERVICE);
    FIRST.0.in8() & 1 << input != 0
}
