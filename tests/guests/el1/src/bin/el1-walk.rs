// SPDX-License-Identifier: MIT OR Apache-2.0
//! Has the timer's interrupt come at each instruction of the paths on which it could be lost, come too early, or change
//! what the interrupted code has in registers.
//!
//! For a machine whose time follows the instructions (`pvhost run --icount`), where one instruction takes
//! [`INSTRUCTION`] ns: a deadline one instruction later is an interrupt one instruction later. A path is walked until
//! its end has come before the deadline for [`BEHIND`] deadlines in a row.
#![no_std]
#![no_main]

use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

#[cfg(target_arch = "aarch64")]
use guest_checks::registers::ControlWords;
use guest_checks::registers::{Registers, disturb};
use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::clock::Instant;
use paravirt_bsp::irq::Line;
use paravirt_bsp::timer::Timer;
use paravirt_bsp::{cpu, println, start};

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen] }

/// Of one instruction, in ns.
const INSTRUCTION: u64 = 16;
/// Deadlines behind a path's end.
const BEHIND: u32 = 50;
/// Deadlines at most: a path has fewer instructions.
const MOST: u64 = 20_000;
/// Deadlines of the path that ends by the interrupt.
const WAITING: u64 = 1_000;

/// Calls of the timer's handler.
static CALLS: AtomicU32 = AtomicU32::new(0);
/// Calls of the second timer's handler.
static SECOND_CALLS: AtomicU32 = AtomicU32::new(0);
/// Whether no handler may run.
static OFF: AtomicBool = AtomicBool::new(false);
/// Handlers that ran all the same.
static EARLY: AtomicU32 = AtomicU32::new(0);

/// A timer that a path starts.
const SECOND: Timer = Timer::new(2).expect("there are eight");
/// A line that the paths themselves raise.
const OTHER: Line = Line::new(FIRST_FREE).expect("a free line");

fn handle(_timer: Timer, _expirations: u64) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    EARLY.fetch_add(u32::from(OFF.load(Ordering::Relaxed)), Ordering::Relaxed);
    // As a handler may leave them.
    #[cfg(target_arch = "aarch64")]
    ControlWords { fpcr: 0, fpsr: 0 }.replace();
    disturb();
}

/// Of the second timer.
fn handle_second(_timer: Timer, _expirations: u64) {
    SECOND_CALLS.fetch_add(1, Ordering::Relaxed);
}

/// Turns interrupts on, so that the timer's handler nests in it.
fn nest(_line: Line) {
    EARLY.fetch_add(u32::from(OFF.load(Ordering::Relaxed)), Ordering::Relaxed);
    // SAFETY: at the handler's own level.
    unsafe { cpu::enable_interrupts() };
}

/// Turns interrupts off, does that, while no handler may run, and turns them on.
fn off(body: impl FnOnce()) {
    cpu::disable_interrupts();
    OFF.store(true, Ordering::SeqCst);
    body();
    OFF.store(false, Ordering::SeqCst);
    // SAFETY: no critical section is open.
    unsafe { cpu::enable_interrupts() };
}

fn raise() {
    OTHER.raise().expect("the line exists");
}

/// Holds other values in all registers, and sees that they are found again.
fn registers() {
    static SEED: AtomicU32 = AtomicU32::new(1);
    let pattern = Registers::pattern(SEED.fetch_add(1, Ordering::Relaxed) as usize);
    let found = Cell::new(pattern);
    pattern.hold_to(&found, 1);
    assert_eq!(found.get(), pattern, "registers differ");
}

/// Sleeps until the interrupt has come: an interrupt that comes between the look and the sleep must end the sleep.
fn wait() {
    cpu::idle_until(|_| CALLS.load(Ordering::Relaxed) > 0);
}

/// Masks the timer's line, and unmasks it.
fn mask() {
    Line::TIMER.mask().expect("the line exists");
    OFF.store(true, Ordering::SeqCst);
    OFF.store(false, Ordering::SeqCst);
    Line::TIMER.unmask().expect("the line exists");
}

/// Is interrupted by the second timer, so that the first one's interrupt comes while that is handled.
fn second() {
    let before = SECOND_CALLS.load(Ordering::Relaxed);
    let started = SECOND.start_ns(100 * INSTRUCTION, 0);
    started.expect("a timer");
    while SECOND_CALLS.load(Ordering::Relaxed) == before {
        core::hint::spin_loop();
    }
}

const PATHS: [(&str, fn()); 8] = [
    ("interrupts off and on", || off(|| {})),
    ("the same with another line pending", || off(raise)),
    ("upcall with a nested one, and return", raise),
    ("interrupt by another timer", second),
    ("mask and unmask", mask),
    ("idle", wait),
    ("all registers held", registers),
    ("all registers held, while off", || off(registers)),
];

/// Starts the timer for that deadline and walks the path; whether the timer's handler had run at the path's end.
fn walk(path: fn(), timer: Timer, deadline: u64) -> bool {
    CALLS.store(0, Ordering::Relaxed);
    timer.start_ns(deadline, 0).expect("a timer");
    path();
    CALLS.load(Ordering::Relaxed) > 0
}

fn main() -> i32 {
    let timer = Timer::new(1).expect("there is one");
    timer.attach(&handle).expect("its line is free");
    SECOND.attach(&handle_second).expect("its line is free");
    OTHER.attach(&nest).expect("a free line");
    for (name, path) in PATHS {
        let (mut deadlines, mut behind) = (0, 0);
        let waits = name == "idle";
        while behind < BEHIND && !(waits && deadlines == WAITING) {
            let ahead = deadlines * INSTRUCTION;
            let was_inside = walk(path, timer, ahead);
            behind = if was_inside { 0 } else { behind + 1 };
            let last = Instant::now();
            while CALLS.load(Ordering::Relaxed) == 0 && last.elapsed().as_millis() < 10 {
                core::hint::spin_loop();
            }
            let (calls, early) = (CALLS.load(Ordering::Relaxed), EARLY.load(Ordering::Relaxed));
            assert!(
                calls == 1 && early == 0,
                "{name}, {ahead} ns after the start: {calls} interrupts, {early} of them while off"
            );
            deadlines += 1;
            assert!(
                deadlines < MOST,
                "{name} has no end: does time follow the instructions?"
            );
        }
        // Fewer would be less than what starting the timer and an upcall take.
        assert!(deadlines > 200, "{name}: only {deadlines} deadlines");
        println!("{name}: delivered once, whenever it came");
        if start::arguments().next() == Some("count") {
            println!("{deadlines} deadlines");
        }
    }
    0
}
