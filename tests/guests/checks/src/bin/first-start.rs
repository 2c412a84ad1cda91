// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starts each timer for the first time from a handler and from what it interrupts at once. Then it is stopped, and
//! nothing may be counted any more: a host that made two of one timer would go on with the other.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering};

use guest_checks::{SECOND, now};
use paravirt_bsp::abi::line::TIMERS;
use paravirt_bsp::println;
use paravirt_bsp::timer::{TICK, Timer};

paravirt_bsp::image! { main: main, backends: [linux_syscall] }

const MILLISECOND: u64 = SECOND / 1000;
/// Short, so that an interrupt comes in the first start.
const PERIOD: u64 = 20_000;

/// The timer that is to be started; 0: none.
static NEXT: AtomicU32 = AtomicU32::new(0);

fn start_next(_tick: Timer, _expirations: u64) {
    let number = NEXT.swap(0, Ordering::Relaxed);
    if number != 0 {
        timer(number)
            .start_ns(MILLISECOND, MILLISECOND)
            .expect("a period in range");
    }
}

fn timer(number: u32) -> Timer {
    Timer::new(number).expect("it exists")
}

fn main() -> i32 {
    let tick = timer(TICK);
    tick.attach(&start_next).expect("nobody else uses it");
    tick.start_ns(PERIOD, PERIOD).expect("a period in range");
    let mut failed = 0;
    for number in 1..TIMERS {
        let timer = timer(number);
        let ticks = tick.expirations();
        while tick.expirations() == ticks {}
        NEXT.store(number, Ordering::Relaxed);
        // Some time in the period that has just begun.
        let end = now() + PERIOD * u64::from(number) / u64::from(TIMERS);
        while now() < end {}
        timer.start_ns(1000 * SECOND, 0).expect("a time in range");
        while NEXT.load(Ordering::Relaxed) != 0 {
            core::hint::spin_loop();
        }
        timer.stop().expect("it exists");
        let before = timer.expirations();
        let end = now() + 3 * MILLISECOND;
        while now() < end {}
        let more = timer.expirations() - before;
        if more != 0 {
            println!("timer {number}: {more} expirations after the stop");
            failed += 1;
        }
    }
    failed
}
