// SPDX-License-Identifier: MIT OR Apache-2.0
//! Prints numbered lines, while a timer ticks: `lines COUNT [US] [stay]`, with a pause of that length between two. Then
//! it says how many ticks it was told of, and status 1 if one is missing; or it stays for ever.
//!
//! Whoever reads the lines can tell that none is missing, how slowly the host may have taken them.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering};

use guest_checks::{now, number};
use paravirt_bsp::timer::Timer;
use paravirt_bsp::{Error, cpu, println, start};

paravirt_bsp::image! { main: main }

/// Time between two ticks, in ns.
const PERIOD: u64 = 1_000_000;

static TICKS: AtomicU64 = AtomicU64::new(0);

fn tick(_: Timer, expirations: u64) {
    TICKS.fetch_add(expirations, Ordering::Relaxed);
}

fn main() -> Result<i32, Error> {
    let (count, pause) = (number(0, 1), number(1, 0) * 1000);
    let timer = Timer::new(0).expect("timer 0 exists");
    timer.attach(&tick)?;
    let before = now();
    timer.start_ns(PERIOD, PERIOD)?;
    let after = now();
    for line in 0..count {
        println!("line {line:07}");
        let end = now() + pause;
        while now() < end {
            core::hint::spin_loop();
        }
    }
    if start::arguments().nth(2) == Some("stay") {
        cpu::idle_until(|_| false);
    }
    let stop_from = now();
    timer.stop()?;
    let stop_to = now();
    let ticks = TICKS.load(Ordering::Relaxed);
    let demanded = (stop_from - after) / PERIOD..=(stop_to - before) / PERIOD;
    println!("{ticks} ticks of {} to {}", demanded.start(), demanded.end());
    Ok(i32::from(!demanded.contains(&ticks)))
}
