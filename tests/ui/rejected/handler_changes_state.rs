// SPDX-License-Identifier: MIT OR Apache-2.0
//! A handler interrupts other code, so it cannot change what that code looks at.
use paravirt_bsp::irq::Line;

fn main() {
    let mut calls = 0;
    let count = |_: Line| calls += 1;
    let _ = Line::CONSOLE.attach_for(&count, || ());
}
