// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks, and what is below all timers of the guest.

use super::devices;
use crate::backend::timers::{self, Source};
use crate::cpu;
use crate::local::Local;
use crate::page_clock;

crate::in_guest_functions! { pub(in crate::backend) const FUNCTIONS = { pv_clock_now = now, pv_clock_wall = wall }; }

const NS_PER_SECOND: u64 = 1_000_000_000;

/// Unix time when guest time was 0, in ns. Used with interrupts off.
static START: Local<u64> = Local::new(0);
/// How far guest time and the clock of the machine, which shows seconds, may be apart, in ns. Beyond that, somebody has
/// set the clock, or they have drifted.
const APART: u64 = 2 * NS_PER_SECOND;
/// Guest time in ns of the next look at that clock, which may take long. Used with interrupts off.
static NEXT_LOOK: Local<u64> = Local::new(0);

static SOURCE: Source = Source { now, arm: devices::arm };

/// Starts the clocks. Called with interrupts off.
pub(super) fn start() {
    let wall = devices::read_clock();
    devices::start_clock();
    // SAFETY: at the start, before the first interrupt.
    unsafe { START.set_large(wall * NS_PER_SECOND) };
    // SAFETY: they read the counter and set the timer, which is theirs alone.
    unsafe { timers::set_source(&SOURCE) };
}

/// Body of `pv_clock_now`.
pub(super) extern "C" fn now() -> u64 {
    page_clock::now()
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
        let clock = devices::read_clock() * NS_PER_SECOND;
        if clock == 0 || clock.abs_diff(time) < APART {
            return time;
        }
        // SAFETY: interrupts are off.
        unsafe { START.set_large(clock.wrapping_sub(now)) };
        clock
    })
}
