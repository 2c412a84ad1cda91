// SPDX-License-Identifier: MIT OR Apache-2.0
//! A handler interrupts other code, so what they share is for both.
use std::cell::Cell;

use paravirt_bsp::irq::Line;

fn main() {
    let calls = Cell::new(0);
    let count = |_: Line| calls.set(calls.get() + 1);
    let _ = Line::CONSOLE.attach_for(&count, || calls.get());
}
