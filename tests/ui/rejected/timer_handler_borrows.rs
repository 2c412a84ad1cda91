// SPDX-License-Identifier: MIT OR Apache-2.0
//! A handler that stays may use only what stays; `attach_for` is for the others.
use std::sync::atomic::{AtomicU64, Ordering};

use paravirt_bsp::timer::Timer;

fn main() {
    let told = AtomicU64::new(0);
    let count = |_: Timer, expirations: u64| {
        told.fetch_add(expirations, Ordering::Relaxed);
    };
    let _ = Timer::new(1).map(|timer| timer.attach(&count));
}
