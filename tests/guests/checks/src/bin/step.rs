// SPDX-License-Identifier: MIT OR Apache-2.0
//! Walks the paths on which a line could be lost, while the host raises one line at one instruction of each round.
//!
//! The host's test sees the same rounds: between `step_begin` and `step_end` it single-steps the guest and raises the line at the
//! instruction whose turn it is.
#![no_std]
#![no_main]

use core::ffi::c_void;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::{cpu, irq, l4_external_func, println};

paravirt_bsp::image! { main: main }

l4_external_func! {
    /// Begins a round on path `path`; 0 when all rounds are done.
    fn step_begin(path: u32) -> u32;
    /// Ends the round: how often the host has raised the line in it.
    fn step_end() -> u32;
}

static CALLS: AtomicU32 = AtomicU32::new(0);
static OFF: AtomicBool = AtomicBool::new(false);
static WHILE_OFF: AtomicU32 = AtomicU32::new(0);

extern "C" fn handle(_line: u32, _argument: *mut c_void) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    if OFF.load(Ordering::Relaxed) {
        WHILE_OFF.fetch_add(1, Ordering::Relaxed);
    }
}

/// A handler that turns interrupts on, for the return path with something nested.
extern "C" fn nest(_line: u32, _argument: *mut c_void) {
    cpu::enable_interrupts();
}

const OTHER: u32 = FIRST_FREE + 1;
/// Name of each path and what it does.
const PATHS: [(&str, fn()); 4] = [
    ("enable", || {
        cpu::disable_interrupts();
        OFF.store(true, Ordering::Relaxed);
        OFF.store(false, Ordering::Relaxed);
        cpu::enable_interrupts();
    }),
    ("enable with another line pending", || {
        cpu::disable_interrupts();
        OFF.store(true, Ordering::Relaxed);
        irq::raise(OTHER).expect("the line exists");
        OFF.store(false, Ordering::Relaxed);
        cpu::enable_interrupts();
    }),
    ("upcall and return", || {
        irq::raise(OTHER).expect("the line exists")
    }),
    ("idle", cpu::idle),
];

fn main() -> i32 {
    irq::attach(FIRST_FREE, handle, core::ptr::null_mut()).expect("a free line");
    irq::attach(OTHER, nest, core::ptr::null_mut()).expect("a free line");
    cpu::enable_interrupts();
    let mut failed = 0;
    for (number, (name, path)) in (0..).zip(PATHS) {
        let (mut rounds, mut lost) = (0, 0);
        loop {
            CALLS.store(0, Ordering::Relaxed);
            // SAFETY: a number.
            if unsafe { step_begin(number) } == 0 {
                break;
            }
            path();
            // SAFETY: no arguments.
            let raised = unsafe { step_end() };
            rounds += 1;
            // Raised once or twice before the handler ran is one call; two calls for one raise would be one too many.
            let calls = CALLS.load(Ordering::Relaxed);
            if calls > raised || calls == 0 && raised > 0 {
                lost += 1;
            }
        }
        println!("{name}: {rounds} rounds, {lost} wrong");
        failed += lost;
    }
    let while_off = WHILE_OFF.load(Ordering::Relaxed);
    println!("delivered while off: {while_off}");
    i32::from(failed > 0 || while_off > 0)
}
