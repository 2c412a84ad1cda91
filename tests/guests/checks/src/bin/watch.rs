// SPDX-License-Identifier: MIT OR Apache-2.0
//! Prints its time at each expiration of a periodic timer: `watch [NAME] [MS] [COUNT]`. Two of them side by side show
//! whether each has a console and a clock of its own.
#![no_std]
#![no_main]

use guest_checks::{now, number};
use paravirt_bsp::timer::Timer;
use paravirt_bsp::{cpu, println, start};

paravirt_bsp::image! { main: main, backends: [linux_syscall, pok] }

const NS_PER_MS: u64 = 1_000_000;

fn main() {
    let name = start::arguments().next().unwrap_or("watch");
    let period = number(1, 100) * NS_PER_MS;
    let count = number(2, 10);

    let timer = Timer::new(1).expect("timer 1 exists");
    timer.start_ns(period, period).expect("a period in range");
    for expiration in 1..=count {
        cpu::idle_until(|_| timer.expirations() >= expiration);
        println!("{name} {expiration}: {} ms", now() / NS_PER_MS);
    }
}
