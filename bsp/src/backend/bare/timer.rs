// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks, and the one-shot timer below all timers of the guest (Intel 8254 data sheet).

use super::rtc;
use crate::backend::timers::{self, NEVER, Source};
use crate::local::Local;
use crate::ring0::port::Port;
use crate::ring0::tsc::{self, TIMER_HZ};
use crate::{cpu, power};

crate::in_guest_functions! { pub(super) const FUNCTIONS = { pv_clock_now = now, pv_clock_wall = wall }; }

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

/// Unix time when guest time was 0, in ns. Used with interrupts off.
static START: Local<u64> = Local::new(0);
/// How far guest time and the battery-backed clock, which shows seconds, may be apart, in ns. Beyond that, somebody has
/// set the clock, or they have drifted.
const APART: u64 = 2 * NS_PER_SECOND;
/// Guest time in ns of the next look at that clock, which takes many accesses of ports. Used with interrupts off.
static NEXT_LOOK: Local<u64> = Local::new(0);

static SOURCE: Source = Source { now, arm };

const fn port(number: u16) -> Port {
    // SAFETY: of the PC's timer, which touches no memory. Its channel 0 is this module's, and a command names the
    // channel.
    unsafe { Port::new(number) }
}

/// Starts the clocks; `wall` is the Unix time in seconds.
pub(super) fn start(wall: u64) {
    let Some(rate) = tsc::measure() else {
        power::fatal(
            format_args!("the PC's timer (8254) does not count, or the processor's time-stamp counter does not"),
            1,
        );
    };
    tsc::start_clock(rate);
    // SAFETY: at the start, before the first interrupt.
    unsafe { START.set_large(wall * NS_PER_SECOND) };
    // SAFETY: they read the counter and set the timer, which is theirs alone.
    unsafe { timers::set_source(&SOURCE) };
}

/// Body of `pv_clock_now`.
pub(super) extern "C" fn now() -> u64 {
    tsc::now()
}

/// Body of `pv_clock_wall`.
pub(super) extern "C" fn wall() -> u64 {
    cpu::without_interrupts(|_| {
        let now = now();
        let time = START.get().wrapping_add(now);
        if now < NEXT_LOOK.get() {
            return time;
        }
        // SAFETY: interrupts are off.
        unsafe { NEXT_LOOK.set_large(now + NS_PER_SECOND) };
        let clock = rtc::read() * NS_PER_SECOND;
        if clock == 0 || clock.abs_diff(time) < APART {
            return time;
        }
        // SAFETY: interrupts are off.
        unsafe { START.set_large(clock.wrapping_sub(now)) };
        clock
    })
}

/// Sets the timer to that guest time. If it comes early, [`timers::expire`] finds nothing due and sets it again.
fn arm(deadline: u64) {
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
