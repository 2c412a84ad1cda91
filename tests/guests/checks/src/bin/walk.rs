// SPDX-License-Identifier: MIT OR Apache-2.0
//! Walks the paths on which an interrupt could be lost or come too early, round after round, until the host has enough.
//!
//! The host single-steps the guest and raises line [`FIRST_FREE`] between two instructions of its choice, from
//! `walk_begin` to `walk_end`. Only it knows when it did, so it judges.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::irq::Line;
use paravirt_bsp::{cpu, l4_external_func};

paravirt_bsp::image! { main: main }

l4_external_func! {
    // SAFETY: those declared as safe ask nothing of their callers.
    unsafe extern "C" {
        /// Begins a round on path number `path`; 0 when this path needs no more. `calls` counts calls of the line's
        /// handler.
        fn walk_begin(path: u32, calls: *const u32) -> u32;
        /// Ends the round: no raises from here on.
        safe fn walk_end();
        /// Tells what happened in the round, when everything has been delivered. `calls`: of the line's handler;
        /// `early`: handlers that ran while they must not; `lowest`: lowest stack address seen in the line's handler.
        safe fn walk_report(calls: u32, early: u32, lowest: usize);
    }
}

static CALLS: AtomicU32 = AtomicU32::new(0);
/// Whether no handler may run.
static OFF: AtomicBool = AtomicBool::new(false);
static EARLY: AtomicU32 = AtomicU32::new(0);
/// Whether the line's handler is to mask its line.
static MASKS: AtomicBool = AtomicBool::new(false);
static LOWEST: AtomicUsize = AtomicUsize::new(0);

/// The line that the host raises.
const LINE: Line = Line::new(FIRST_FREE).expect("a free line");
/// A line that the paths themselves raise, and that the host raises to end an idle.
const OTHER: Line = Line::new(FIRST_FREE + 1).expect("a free line");

fn handle(_line: Line) {
    let here = 0u8;
    CALLS.fetch_add(1, Ordering::Relaxed);
    LOWEST.fetch_min(&raw const here as usize, Ordering::Relaxed);
    EARLY.fetch_add(u32::from(OFF.load(Ordering::Relaxed)), Ordering::Relaxed);
    if MASKS.swap(false, Ordering::Relaxed) {
        // SAFETY: at the handler's own level.
        unsafe { cpu::enable_interrupts() };
        LINE.mask().expect("the line exists");
        OFF.store(true, Ordering::SeqCst);
    }
}

/// Turns interrupts on, so that the other handler nests in it.
fn nest(_line: Line) {
    EARLY.fetch_add(u32::from(OFF.load(Ordering::Relaxed)), Ordering::Relaxed);
    // SAFETY: at the handler's own level.
    unsafe { cpu::enable_interrupts() };
}

/// Runs `body` while no handler may run.
fn off(body: impl FnOnce()) {
    OFF.store(true, Ordering::SeqCst);
    body();
    OFF.store(false, Ordering::SeqCst);
}

fn raise_other() {
    OTHER.raise().expect("the line exists");
}

/// Their order is known to the host.
const PATHS: [fn(); 6] = [
    // Enable.
    || {
        cpu::disable_interrupts();
        off(|| {});
        // SAFETY: no critical section is open.
        unsafe { cpu::enable_interrupts() };
    },
    // Enable with another line pending.
    || {
        cpu::disable_interrupts();
        off(raise_other);
        // SAFETY: no critical section is open.
        unsafe { cpu::enable_interrupts() };
    },
    // Upcall, with a nested one, and return.
    raise_other,
    // Idle, until the host raises the other line.
    cpu::idle,
    // Mask and unmask.
    || {
        LINE.mask().expect("the line exists");
        off(|| {});
        LINE.unmask().expect("the line exists");
    },
    // Mask in the line's own handler, which the path raises, and unmask.
    || {
        MASKS.store(true, Ordering::SeqCst);
        LINE.raise().expect("the line exists");
        OFF.store(false, Ordering::SeqCst);
        LINE.unmask().expect("the line exists");
    },
];

fn main() -> i32 {
    LINE.attach(&handle).expect("a free line");
    OTHER.attach(&nest).expect("a free line");
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
            walk_end();
            walk_report(
                CALLS.load(Ordering::Relaxed),
                EARLY.load(Ordering::Relaxed),
                LOWEST.load(Ordering::Relaxed),
            );
        }
    }
    0
}
