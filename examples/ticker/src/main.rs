// SPDX-License-Identifier: MIT OR Apache-2.0
//! Three periodic activities for 35 time units, like RTEMS' ticker sample: every 5, 10 and 15 units, each reports the
//! time.
//!
//! Argument: the length of a unit in ms, 1 to 10000; without it a unit is a second.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use paravirt_bsp::clock::Instant;
use paravirt_bsp::timer::Timer;
use paravirt_bsp::{Error, cpu, println, start};

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen, pok] }

/// The activities: their timers, and the units between their reports.
const ACTIVITIES: [(Timer, u32); 3] = [(timer(1), 5), (timer(2), 10), (timer(3), 15)];
/// The guest ends half a unit before this one.
const END: u32 = 35;

/// When the activities began and how long a unit is, in ns. Handlers find it here; written before they are attached.
static BEGIN: AtomicU64 = AtomicU64::new(0);
static UNIT: AtomicU64 = AtomicU64::new(0);

const fn timer(number: u32) -> Timer {
    Timer::new(number).expect("there are 8 timers")
}

fn main() -> Result<i32, Error> {
    let ms = match start::arguments().next().map(str::parse) {
        None => 1000,
        Some(Ok(ms)) if (1..=10_000).contains(&ms) => ms,
        Some(_) => {
            println!("usage: ticker [MS_PER_UNIT], 1 to 10000");
            return Ok(2);
        }
    };
    let unit = Duration::from_millis(ms);

    println!("*** ticker: a unit is {ms} ms ***");
    BEGIN.store(Instant::now().as_nanos(), Ordering::Relaxed);
    UNIT.store(ms * 1_000_000, Ordering::Relaxed);
    for (timer, _) in ACTIVITIES {
        timer.attach(&report)?;
        report(timer, 0);
    }
    for (timer, units) in ACTIVITIES {
        let period = units * unit;
        // A tenth of a unit apart, so that activities due in the same unit report in their order.
        timer.start(period + timer.number() * unit / 10, period)?;
    }

    let end = timer(4);
    end.start_once(END * unit - unit / 2)?;
    cpu::idle_until(|_| end.expirations() > 0);
    println!("*** end of ticker ***");
    Ok(0)
}

/// Prints which activity runs, and the time in units.
fn report(timer: Timer, _expirations: u64) {
    let unit = UNIT.load(Ordering::Relaxed);
    let passed = Instant::now().as_nanos() - BEGIN.load(Ordering::Relaxed);
    let units = (passed + unit / 2) / unit;
    println!("TA{} - unit {units:2}", timer.number());
}
