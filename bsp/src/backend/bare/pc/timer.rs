// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one-shot timer below all timers of the guest (Intel 8254 data sheet).

use crate::backend::timers::NEVER;
use crate::power;
use crate::ring0::port::Port;
use crate::ring0::tsc::{self, TIMER_HZ, now};

const CHANNEL_0: Port = port(0x40);
const COMMAND: Port = port(0x43);
/// Channel 0, both bytes, mode 0: one interrupt when the count is down. The command itself stops a count that is
/// running.
const ONE_SHOT: u8 = 0b0011_0000;
/// The longest count, 54.9 ms. A deadline beyond it takes several interrupts.
const LONGEST: u64 = 0xffff;
/// Time beyond which the count is longest for sure, in ns.
const LONGEST_NS: u64 = 55_000_000;

const NS_PER_SECOND: u64 = 1_000_000_000;

const fn port(number: u16) -> Port {
    // SAFETY: of the PC's timer, which touches no memory. Its channel 0 is this module's, and a command names the
    // channel.
    unsafe { Port::new(number) }
}

/// Starts the guest's clock.
pub(in super::super) fn start_clock() {
    let Some(rate) = tsc::measure() else {
        power::fatal(
            format_args!("the PC's timer (8254) does not count, or the processor's time-stamp counter does not"),
            1,
        );
    };
    tsc::start_clock(rate);
}

/// Sets the timer to that guest time. If it comes early, [`timers::expire`] finds nothing due and sets it again.
pub(in super::super) fn arm(deadline: u64) {
    COMMAND.out8(ONE_SHOT);
    if deadline == NEVER {
        return;
    }
    let ns = deadline.saturating_sub(now()).min(LONGEST_NS);
    let count = (ns * TIMER_HZ).div_ceil(NS_PER_SECOND).clamp(1, LONGEST);
    let [low, high, ..] = count.to_le_bytes();
    CHANNEL_0.out8(low);
    CHANNEL_0.out8(high);
}
