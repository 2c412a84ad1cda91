// SPDX-License-Identifier: MIT OR Apache-2.0
//! Walks the paths on which an interrupt could be lost or come too early, round after round, until the host has enough.
//!
//! The host single-steps the guest and raises line [`FIRST_FREE`] between two instructions of its choice, from `walk_begin` to
//! `walk_end`. Only it knows when it did, so it judges.
#![no_std]
#![no_main]

use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::{cpu, irq, l4_external_func};

paravirt_bsp::image! { main: main }

l4_external_func! {
    /// Begins a round on path number `path`; 0 when this path needs no more. `calls` counts calls of the line's handler.
    fn walk_begin(path: u32, calls: *const u32) -> u32;
    /// Ends the round: no raises from here on.
    fn walk_end();
    /// Tells what happened in the round, when everything has been delivered. `calls`: of the line's handler; `early`: handlers that
    /// ran while they must not; `lowest`: lowest stack address seen in the line's handler.
    fn walk_report(calls: u32, early: u32, lowest: usize);
}

static CALLS: AtomicU32 = AtomicU32::new(0);
/// Whether no handler may run.
static OFF: AtomicBool = AtomicBool::new(false);
static EARLY: AtomicU32 = AtomicU32::new(0);
/// Whether the line's handler is to mask its line.
static MASKS: AtomicBool = AtomicBool::new(false);
static LOWEST: AtomicUsize = AtomicUsize::new(0);

/// A line that the paths themselves raise, and that the host raises to end an idle.
const OTHER: u32 = FIRST_FREE + 1;

extern "C" fn handle(_line: u32, _argument: *mut c_void) {
    let here = 0u8;
    CALLS.fetch_add(1, Ordering::Relaxed);
    LOWEST.fetch_min(&raw const here as usize, Ordering::Relaxed);
    EARLY.fetch_add(u32::from(OFF.load(Ordering::Relaxed)), Ordering::Relaxed);
    if MASKS.swap(false, Ordering::Relaxed) {
        cpu::enable_interrupts();
        irq::mask(FIRST_FREE).expect("the line exists");
        OFF.store(true, Ordering::SeqCst);
    }
}

/// Turns interrupts on, so that the other handler nests in it.
extern "C" fn nest(_line: u32, _argument: *mut c_void) {
    EARLY.fetch_add(u32::from(OFF.load(Ordering::Relaxed)), Ordering::Relaxed);
    cpu::enable_interrupts();
}

/// Runs `body` while no handler may run.
fn off(body: impl FnOnce()) {
    OFF.store(true, Ordering::SeqCst);
    body();
    OFF.store(false, Ordering::SeqCst);
}

fn raise_other() {
    irq::raise(OTHER).expect("the line exists");
}

/// Their order is known to the host.
const PATHS: [fn(); 6] = [
    // Enable.
    || {
        cpu::disable_interrupts();
        off(|| {});
        cpu::enable_interrupts();
    },
    // Enable with another line pending.
    || {
        cpu::disable_interrupts();
        off(raise_other);
        cpu::enable_interrupts();
    },
    // Upcall, with a nested one, and return.
    raise_other,
    // Idle, until the host raises the other line.
    cpu::idle,
    // Mask and unmask.
    || {
        irq::mask(FIRST_FREE).expect("the line exists");
        off(|| {});
        irq::unmask(FIRST_FREE).expect("the line exists");
    },
    // Mask in the line's own handler, which the path raises, and unmask.
    || {
        MASKS.store(true, Ordering::SeqCst);
        irq::raise(FIRST_FREE).expect("the line exists");
        OFF.store(false, Ordering::SeqCst);
        irq::unmask(FIRST_FREE).expect("the line exists");
    },
];

fn main() -> i32 {
    irq::attach(FIRST_FREE, handle, core::ptr::null_mut()).expect("a free line");
    irq::attach(OTHER, nest, core::ptr::null_mut()).expect("a free line");
    cpu::enable_interrupts();
    for (number, path) in (0..).zip(PATHS) {
        loop {
            CALLS.store(0, Ordering::Relaxed);
            EARLY.store(0, Ordering::Relaxed);
            LOWEST.store(usize::MAX, Ordering::Relaxed);
            // SAFETY: the counter lives as long as the guest.
            if unsafe { walk_begin(number, CALLS.as_ptr()) } == 0 {
                break;
            }
            path();
            // SAFETY: numbers.
            unsafe {
                walk_end();
                walk_report(
                    CALLS.load(Ordering::Relaxed),
                    EARLY.load(Ordering::Relaxed),
                    LOWEST.load(Ordering::Relaxed),
                );
            }
        }
    }
    0
}
