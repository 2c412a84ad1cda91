// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lives through storms of interrupts that the host makes: a long one first, then short bursts.
//!
//! Reports the rate of the main loop before and during the long one and how deep the stack went. It waits for the last
//! raise of each, spinning or idle; if the handler does not run after it, that is for ever.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicUsize, Ordering};

use guest_checks::{SECOND, now, number};
use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::irq::Line;
use paravirt_bsp::{cpu, l4_external_func, println};

paravirt_bsp::image! { main: main }

l4_external_func! {
    // SAFETY: those declared as safe ask nothing of their callers.
    unsafe extern "C" {
        /// Starts the long storm on `line`.
        safe fn storm_begin(line: u32);
        /// Starts the next burst on `line`: of how many raises, 0 if there was none left.
        safe fn storm_burst(line: u32) -> u32;
        /// Returns whether more than the last raise of the long storm is still to come.
        safe fn storm_rages() -> u32;
        /// How often the line has been raised in all; counted before each raise.
        safe fn storm_raises() -> u64;
    }
}

const LINE: Line = Line::new(FIRST_FREE).expect("a free line");

/// Raises that the host had counted when the handler last ran.
static SEEN: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);
static LOWEST: AtomicUsize = AtomicUsize::new(usize::MAX);
static LOWEST_EARLY: AtomicUsize = AtomicUsize::new(usize::MAX);

/// What the stack may go deeper after the first thousand calls: it depends on where the main loop was interrupted, in a
/// function or not, in a tail of the host's that had begun to build a frame or not. Two frames that piled up would be
/// more.
const SLACK: usize = 512;

fn handle(_line: Line) {
    let here = 0u8;
    let calls = CALLS.fetch_add(1, Ordering::Relaxed);
    LOWEST.fetch_min(&raw const here as usize, Ordering::Relaxed);
    if calls < 1000 {
        LOWEST_EARLY.fetch_min(&raw const here as usize, Ordering::Relaxed);
    }
    SEEN.store(raises(), Ordering::Relaxed);
}

fn rages() -> bool {
    storm_rages() != 0
}

fn raises() -> usize {
    storm_raises() as usize
}

/// Returns whether the handler has run after that many raises. No host call, the end of which would deliver what the
/// host forgot.
fn has_seen(raises: usize) -> bool {
    SEEN.load(Ordering::Relaxed) == raises
}

/// Loops per ms, until `done`, which is asked once a ms.
fn rate(mut done: impl FnMut() -> bool) -> u64 {
    let begin = now();
    let (mut loops, mut next) = (0u64, begin + SECOND / 1000);
    loop {
        loops += 1;
        let time = now();
        if time >= next {
            next = time + SECOND / 1000;
            if done() {
                return loops * (SECOND / 1000) / (time - begin);
            }
        }
    }
}

fn main() -> i32 {
    let quiet_end = now() + number(0, 100) * (SECOND / 1000);
    let quiet = rate(|| now() >= quiet_end);

    LINE.attach(&handle).expect("a free line");
    storm_begin(FIRST_FREE);
    let stormy = rate(|| !rages());
    let last = raises();
    while !has_seen(last) {}
    let deeper = LOWEST_EARLY.load(Ordering::Relaxed) - LOWEST.load(Ordering::Relaxed);
    println!("loops per ms: {quiet} quiet, {stormy} in the storm");
    println!(
        "raises {}, handler calls {}",
        SEEN.load(Ordering::Relaxed),
        CALLS.load(Ordering::Relaxed)
    );
    println!("stack: {deeper} bytes deeper than in the first thousand calls");

    let (mut bursts, mut last) = (0, last);
    loop {
        let length = storm_burst(FIRST_FREE) as usize;
        if length == 0 {
            break;
        }
        last += length;
        if bursts % 2 == 0 {
            cpu::idle_until(|_| has_seen(last));
        } else {
            while !has_seen(last) {}
        }
        bursts += 1;
    }
    println!("bursts: {bursts}");
    i32::from(deeper > SLACK)
}
