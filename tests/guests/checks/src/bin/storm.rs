// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lives through storms of interrupts that the host makes: a long one first, then short bursts.
//!
//! Reports the rate of the main loop before and during the long one and how deep the stack went. It waits for the last raise of
//! each, spinning or idle; if the handler does not run after it, that is for ever.
#![no_std]
#![no_main]

use core::ffi::c_void;
use core::sync::atomic::{AtomicUsize, Ordering};

use guest_checks::{SECOND, number};
use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::{clock, cpu, irq, l4_external_func, println};

paravirt_bsp::image! { main: main }

l4_external_func! {
    /// Starts the long storm on `line`.
    fn storm_begin(line: u32);
    /// Starts the next burst on `line`: of how many raises, 0 if there was none left.
    fn storm_burst(line: u32) -> u32;
    /// Whether more than the last raise of the long storm is still to come.
    fn storm_rages() -> u32;
    /// How often the line has been raised in all; counted before each raise.
    fn storm_raises() -> u64;
}

/// Raises that the host had counted when the handler last ran.
static SEEN: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);
static LOWEST: AtomicUsize = AtomicUsize::new(usize::MAX);
static LOWEST_EARLY: AtomicUsize = AtomicUsize::new(usize::MAX);

/// What the stack may go deeper after the first thousand calls: it depends on where the main loop was interrupted, in a function or
/// not, in a tail of the host's that had begun to build a frame or not. Two frames that piled up would be more.
const SLACK: usize = 512;

extern "C" fn handle(_line: u32, _argument: *mut c_void) {
    let here = 0u8;
    let calls = CALLS.fetch_add(1, Ordering::Relaxed);
    LOWEST.fetch_min(&raw const here as usize, Ordering::Relaxed);
    if calls < 1000 {
        LOWEST_EARLY.fetch_min(&raw const here as usize, Ordering::Relaxed);
    }
    SEEN.store(raises(), Ordering::Relaxed);
}

fn rages() -> bool {
    // SAFETY: no arguments.
    unsafe { storm_rages() != 0 }
}

fn raises() -> usize {
    // SAFETY: no arguments.
    unsafe { storm_raises() as usize }
}

/// Whether the handler has run after that many raises. No host call, the end of which would deliver what the host forgot.
fn has_seen(raises: usize) -> bool {
    SEEN.load(Ordering::Relaxed) == raises
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
        // SAFETY: a number.
        let length = unsafe { storm_burst(FIRST_FREE) } as usize;
        if length == 0 {
            break;
        }
        last += length;
        if bursts % 2 == 0 {
            cpu::idle_until(|| has_seen(last));
        } else {
            while !has_seen(last) {}
        }
        bursts += 1;
    }
    println!("bursts: {bursts}");
    i32::from(deeper > SLACK)
}
