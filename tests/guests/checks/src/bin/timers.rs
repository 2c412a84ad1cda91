// SPDX-License-Identifier: MIT OR Apache-2.0
//! All timers at once with the shortest period that a host takes: `timers count [SECONDS]` counts them and its own
//! loops, `timers spin` spins for ever, `timers off` does so with interrupts off.
//!
//! Each timer is stopped after a time that the clock shows, so the number of its expirations that this demands is
//! known.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering};

use guest_checks::{SECOND, now, number};
use paravirt_bsp::abi::line::TIMERS;
use paravirt_bsp::timer::Timer;
use paravirt_bsp::{cpu, println, start};

paravirt_bsp::image! { main: main }

/// As the interface has it.
const SHORTEST: u64 = 10_000;

static TOLD: [AtomicU64; TIMERS as usize] = [const { AtomicU64::new(0) }; TIMERS as usize];

fn count(timer: Timer, expirations: u64) {
    TOLD[timer.number() as usize].fetch_add(expirations, Ordering::Relaxed);
}

fn main() -> i32 {
    let timers: [Timer; TIMERS as usize] = core::array::from_fn(|number| Timer::new(number as u32).expect("it exists"));
    let what = start::arguments().next();
    let start_all = || {
        timers.map(|timer| {
            timer.attach(&count).expect("nobody else uses it");
            let before = now();
            timer.start_ns(SHORTEST, SHORTEST).expect("a period in range");
            (before, now())
        })
    };
    let spin = || {
        start_all();
        println!("spinning");
        loop {
            core::hint::spin_loop();
        }
    };
    match what {
        Some("spin") => spin(),
        Some("off") => cpu::without_interrupts(|_| spin()),
        _ => {}
    }
    let started = start_all();
    let end = now() + number(1, 1) * SECOND;
    let mut loops = 0_u64;
    while now() < end {
        loops += 1;
    }
    let mut wrong = 0;
    for (timer, (before, after)) in timers.into_iter().zip(started) {
        let stop_from = now();
        timer.stop().expect("it runs");
        let stop_to = now();
        let least = (stop_from - after) / SHORTEST;
        let most = (stop_to - before) / SHORTEST;
        let counted = timer.expirations();
        let told = TOLD[timer.number() as usize].load(Ordering::Relaxed);
        if !(least..=most).contains(&counted) || told != counted {
            println!(
                "timer {}: {counted}, demanded {least} to {most}, told {told}",
                timer.number()
            );
            wrong += 1;
        }
    }
    println!("{wrong} wrong, {loops} loops");
    i32::from(wrong != 0 || loops == 0)
}
