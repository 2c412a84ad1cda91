// SPDX-License-Identifier: MIT OR Apache-2.0
//! A program with a race: its main loop counts as its timer's handler does, and neither keeps the other away. Prints
//! how many counts were lost.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::sync::atomic::{AtomicU32, Ordering};

use guest_checks::now;
use paravirt_bsp::println;
use paravirt_bsp::timer::{TICK, Timer};

paravirt_bsp::image! { main: main, backends: [linux_syscall] }

const ROUNDS: u32 = 20_000;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// The race: between the two, an interrupt may come.
fn count() {
    let count = COUNT.load(Ordering::Relaxed);
    // Not one instruction for both.
    COUNT.store(black_box(count) + 1, Ordering::Relaxed);
}

fn in_handler(_timer: Timer, expirations: u64) {
    (0..expirations).for_each(|_| count());
}

fn main() -> i32 {
    let timer = Timer::new(TICK).expect("timer 0 exists");
    timer.attach(&in_handler).expect("nobody else uses it");
    timer.start_ns(100_000, 100_000).expect("a period in range");
    for round in 0..ROUNDS {
        if round % 16 == 0 {
            // Where time goes by calls, it goes on.
            let _ = now();
        }
        count();
    }
    timer.stop().expect("it runs");
    let counted = u64::from(COUNT.load(Ordering::Relaxed));
    let lost = u64::from(ROUNDS) + timer.expirations() - counted;
    println!("{} expirations, {lost} counts lost", timer.expirations());
    0
}
