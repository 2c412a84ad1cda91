// SPDX-License-Identifier: MIT OR Apache-2.0
//! A handler that stays may use only what stays; `attach_for` is for the others.
use std::sync::atomic::{AtomicU32, Ordering};

use paravirt_bsp::irq::Line;

fn main() {
    let calls = AtomicU32::new(0);
    let count = |_: Line| {
        calls.fetch_add(1, Ordering::Relaxed);
    };
    let _ = Line::CONSOLE.attach(&count);
}
