// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lives through a storm of interrupts that the host's program `storm` makes, and reports: the rate of the main loop before and
//! during it, how deep the stack went, and whether the handler ran after the last raise.
#![no_std]
#![no_main]

use core::ffi::c_void;
use core::sync::atomic::{AtomicUsize, Ordering};

use guest_checks::{SECOND, number};
use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::{clock, cpu, irq, l4_external_func, println};

paravirt_bsp::image! { main: main }

l4_external_func! {
    /// Starts the storm on `line`.
    fn storm_begin(line: u32);
    /// Whether it still rages.
    fn storm_rages() -> u32;
    /// How often the line has been raised; counted before each raise.
    fn storm_raises() -> u64;
}

/// Raises that the host had counted when the handler last ran.
static SEEN: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);
static LOWEST: AtomicUsize = AtomicUsize::new(usize::MAX);
static LOWEST_EARLY: AtomicUsize = AtomicUsize::new(usize::MAX);

extern "C" fn handle(_line: u32, _argument: *mut c_void) {
    let here = 0u8;
    let calls = CALLS.fetch_add(1, Ordering::Relaxed);
    LOWEST.fetch_min(&raw const here as usize, Ordering::Relaxed);
    if calls < 1000 {
        LOWEST_EARLY.fetch_min(&raw const here as usize, Ordering::Relaxed);
    }
    // SAFETY: no arguments.
    SEEN.store(unsafe { storm_raises() } as usize, Ordering::Relaxed);
}

/// Loops per ms, until `done`, which is asked once a ms.
fn rate(mut done: impl FnMut() -> bool) -> u64 {
    let begin = clock::now();
    let (mut loops, mut next) = (0u64, begin + SECOND / 1000);
    loop {
        loops += 1;
        let now = clock::now();
        if now >= next {
            next = now + SECOND / 1000;
            if done() {
                return loops * (SECOND / 1000) / (now - begin);
            }
        }
    }
}

fn main() -> i32 {
    let quiet_end = clock::now() + number(0, 100) * (SECOND / 1000);
    let quiet = rate(|| clock::now() >= quiet_end);

    irq::attach(FIRST_FREE, handle, core::ptr::null_mut()).expect("a free line");
    cpu::enable_interrupts();
    // SAFETY: a number.
    unsafe { storm_begin(FIRST_FREE) };
    // SAFETY: no arguments.
    let stormy = rate(|| unsafe { storm_rages() } == 0);

    // SAFETY: no arguments.
    let raises = unsafe { storm_raises() };
    let seen = SEEN.load(Ordering::Relaxed) as u64;
    let deeper = LOWEST_EARLY.load(Ordering::Relaxed) - LOWEST.load(Ordering::Relaxed);
    println!("loops per ms: {quiet} quiet, {stormy} in the storm");
    println!(
        "raises {raises}, handler calls {}, last seen {seen}",
        CALLS.load(Ordering::Relaxed)
    );
    println!("stack: {deeper} bytes deeper than in the first thousand calls");
    let passed = stormy * 10 >= quiet && seen == raises && deeper == 0;
    println!("{}", if passed { "passed" } else { "failed" });
    i32::from(!passed)
}
