// SPDX-License-Identifier: MIT OR Apache-2.0
//! Counts the expirations of a periodic timer against the elapsed time: `rate [HZ] [SECONDS] [idle|busy]`.
//!
//! The timer is stopped half a period after an expiration of which the guest was told, so the number that the elapsed time demands is
//! exact.
#![no_std]
#![no_main]

use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, Ordering};

use guest_checks::{SECOND, number};
use paravirt_bsp::timer::{TICK, Timer};
use paravirt_bsp::{clock, cpu, println, start};

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare] }

static CALLS: AtomicU32 = AtomicU32::new(0);
static TOLD: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_timer: u32, expirations: u64, _argument: *mut c_void) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    TOLD.fetch_add(expirations as u32, Ordering::Relaxed);
}

fn main() -> i32 {
    let period = SECOND / number(0, 1000);
    let duration = number(1, 1) * SECOND;
    let busy = start::arguments().nth(2) == Some("busy");

    let timer = Timer::new(TICK).expect("timer 0 exists");
    timer
        .attach(count, core::ptr::null_mut())
        .expect("nobody else uses it");
    cpu::enable_interrupts();
    let before = clock::now();
    timer.start_periodic(period).expect("a period in range");
    let after = clock::now();
    let end = after + duration;

    if busy {
        while clock::now() < end {}
    } else {
        cpu::idle_until(|| clock::now() >= end);
    }
    // To the middle of a period, and until nothing is due any more: an expiration of which a busy host tells late is not lost.
    let least = loop {
        let passed = clock::now() - after;
        let due = passed / period;
        let told = u64::from(TOLD.load(Ordering::Relaxed));
        if passed % period >= period / 2 && (told >= due || passed > duration + SECOND) {
            break due;
        }
    };
    timer.stop().expect("it runs");
    let stop_to = clock::now();

    let most = (stop_to - before) / period;
    let counted = timer.expirations();
    let told = u64::from(TOLD.load(Ordering::Relaxed));
    println!(
        "expirations {counted}, demanded {least} to {most}, told {told}, calls {}",
        CALLS.load(Ordering::Relaxed)
    );
    i32::from(!((least..=most).contains(&counted) && told == counted))
}
