// SPDX-License-Identifier: MIT OR Apache-2.0
//! A handler interrupts other code, so what they share is for both.
use std::cell::Cell;

use paravirt_bsp::timer::Timer;

fn main() {
    let calls = Cell::new(0);
    let count = |_: Timer, expirations: u64| calls.set(calls.get() + expirations);
    let _ = Timer::new(1).map(|timer| timer.attach_for(&count, || calls.get()));
}
