// SPDX-License-Identifier: MIT OR Apache-2.0
//! Three periodic activities for 35 time units, like RTEMS' ticker sample: every 5, 10 and 15 units, each reports the time.
//!
//! Argument: the length of a unit in ms, 1 to 10000; without it a unit is a second.
#![no_std]
#![no_main]

use core::ffi::c_void;

use paravirt_bsp::timer::Timer;
use paravirt_bsp::{clock, cpu, println, start};

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen, pok] }

/// Units between the reports of each activity, and when the guest ends.
const PERIODS: [u64; 3] = [5, 10, 15];
const END: u64 = 35;
const NS_PER_MS: u64 = 1_000_000;

fn main() -> i32 {
    let unit = match start::arguments().next().map(str::parse) {
        None => 1000,
        Some(Ok(ms)) if (1..=10_000).contains(&ms) => ms,
        Some(_) => {
            println!("usage: ticker [MS_PER_UNIT], 1 to 10000");
            return 2;
        }
    } * NS_PER_MS;

    println!("*** ticker: a unit is {} ms ***", unit / NS_PER_MS);
    let begin = clock::now();
    // The handlers get the start time and the unit through this block, which outlives them: `main` stays until the end.
    let mut times = (begin, unit);
    let argument = (&raw mut times).cast();
    for (number, period) in (1..).zip(PERIODS) {
        let timer = Timer::new(number).expect("there are 8 timers");
        timer.attach(report, argument).expect("nobody else uses it");
        report(number, 0, argument);
        // A tenth of a unit apart, so that activities due in the same unit report in their order.
        let first = period * unit + u64::from(number) * unit / 10;
        timer
            .start(first, period * unit)
            .expect("a period in range");
    }

    cpu::enable_interrupts();
    let last = Timer::new(4).expect("there are 8 timers");
    last.start_once(END * unit - unit / 2)
        .expect("a time in range");
    cpu::idle_until(|| last.expirations() > 0);
    println!("*** end of ticker ***");
    0
}

/// Prints which activity runs, and the time in units.
extern "C" fn report(timer: u32, _expirations: u64, argument: *mut c_void) {
    // SAFETY: `main` passed the address of its pair, which lives until the guest ends and is not changed.
    let (begin, unit) = unsafe { *argument.cast::<(u64, u64)>() };
    let units = (clock::now() - begin + unit / 2) / unit;
    println!("TA{timer} - unit {units:2}");
}
