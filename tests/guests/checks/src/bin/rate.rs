// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counts the expirations of a periodic timer against the elapsed time: `rate [HZ] [SECONDS] [idle|busy|compute]`.
//!
//! The timer is stopped half a period after an expiration, so the number that the elapsed time demands is exact.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering};

use guest_checks::{SECOND, now, number};
use paravirt_bsp::timer::{TICK, Timer};
use paravirt_bsp::{cpu, println, start};

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare] }

static CALLS: AtomicU32 = AtomicU32::new(0);
static TOLD: AtomicU32 = AtomicU32::new(0);

fn count(_timer: Timer, expirations: u64) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    TOLD.fetch_add(expirations as u32, Ordering::Relaxed);
}

fn main() -> i32 {
    let period = SECOND / number(0, 1000);
    let duration = number(1, 1) * SECOND;
    let work = start::arguments().nth(2).unwrap_or("idle");

    let timer = Timer::new(TICK).expect("timer 0 exists");
    timer.attach(&count).expect("nobody else uses it");
    let before = now();
    timer.start_ns(period, period).expect("a period in range");
    let after = now();
    let end = after + duration;

    match work {
        "busy" => while now() < end {},
        // Without a call.
        "compute" => {
            let demanded = duration / period;
            while u64::from(TOLD.load(Ordering::Relaxed)) < demanded {}
        }
        _ => cpu::idle_until(|_| now() >= end),
    }
    // To the middle of a period.
    while (now() - after) % period < period / 2 {}
    let stop_from = now();
    timer.stop().expect("it runs");
    let stop_to = now();

    let least = (stop_from - after) / period;
    let most = (stop_to - before) / period;
    let counted = timer.expirations();
    let told = u64::from(TOLD.load(Ordering::Relaxed));
    println!(
        "expirations {counted}, demanded {least} to {most}, told {told}, calls {}",
        CALLS.load(Ordering::Relaxed)
    );
    i32::from(!((least..=most).contains(&counted) && told == counted))
}
