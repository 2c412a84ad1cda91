// SPDX-License-Identifier: MIT OR Apache-2.0
//! Goes the paths on which a signal could be lost or come too early, as an ordinary Linux program or in the process
//! host, again and again until the program that traces it has enough.
//!
//! That program steps through a path and sends a signal between two instructions of its choice: the console's, or with
//! the argument `timer` the one of the process host's timer, on which one of the guest's is due at any time then. A
//! breakpoint instruction stands before each path, with the path's number in the first register and the address of
//! [`REPORT`] in the second (eax and edx, x0 and x1), and another behind it. The first is 0 after the first if this
//! path needs no more.
#![no_std]
#![no_main]

use core::arch::asm;
use core::cell::Cell;
use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use guest_checks::registers::{self, Registers};
use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::irq::{self, Line};
use paravirt_bsp::timer::Timer;
use paravirt_bsp::{cpu, start, upcall};

paravirt_bsp::image! { main: main, backends: [linux_syscall] }

/// What the tracing program reads behind a path.
#[repr(C)]
struct Report {
    /// Calls of the handler in the round.
    calls: AtomicU32,
    /// Handlers that ran while they must not.
    early: AtomicU32,
    /// The number of signals that the handler has seen in `sent`.
    seen: AtomicU32,
    /// Lowest and highest stack address in the handler, lower halves.
    lowest: AtomicU32,
    highest: AtomicU32,
    /// Times that the dispatcher left the line pending.
    left: AtomicU32,
    /// Rounds behind which registers were changed, since the start. It is counted behind the second breakpoint.
    changed: AtomicU32,
    /// Signals that were sent since the start. The tracing program counts them here, each before it sends it.
    sent: AtomicU32,
}

static REPORT: Report = Report {
    calls: AtomicU32::new(0),
    early: AtomicU32::new(0),
    seen: AtomicU32::new(0),
    lowest: AtomicU32::new(0),
    highest: AtomicU32::new(0),
    left: AtomicU32::new(0),
    changed: AtomicU32::new(0),
    sent: AtomicU32::new(0),
};

impl Report {
    fn begin(&self) {
        for word in [&self.calls, &self.early, &self.highest, &self.left] {
            word.store(0, Ordering::Relaxed);
        }
        self.lowest.store(u32::MAX, Ordering::Relaxed);
    }
}

/// Of the timer, in ns: the shortest, since under ptrace more time passes between two signals.
const PERIOD: u64 = 10_000;

/// Whether no handler may run.
static OFF: AtomicBool = AtomicBool::new(false);
/// A line that a path itself raises.
const OTHER: Line = Line::new(FIRST_FREE).expect("a free line");

fn count_early() {
    let early = u32::from(OFF.load(Ordering::Relaxed));
    REPORT.early.fetch_add(early, Ordering::Relaxed);
}

fn handle() {
    let here = 0u8;
    let stack = &raw const here as usize as u32;
    count_early();
    REPORT.calls.fetch_add(1, Ordering::Relaxed);
    REPORT.lowest.fetch_min(stack, Ordering::Relaxed);
    REPORT.highest.fetch_max(stack, Ordering::Relaxed);
    // With floating point, so that these registers are others afterwards.
    let sent = REPORT.sent.load(Ordering::Relaxed);
    let seen = black_box(black_box(f64::from(sent)) + 0.25);
    REPORT.seen.store(seen as u32, Ordering::Relaxed);
    registers::disturb();
}

/// Turns interrupts on, so that the other handler nests in it.
fn nest(_line: Line) {
    count_early();
    // SAFETY: at the handler's own level.
    unsafe { cpu::enable_interrupts() };
}

/// Runs handlers, as an operating system would do.
extern "C" fn body() {
    // SAFETY: called with interrupts off, as the body of an upcall.
    unsafe { irq::dispatch() };
    let left = u32::from(Line::CONSOLE.is_pending() || Line::TIMER.is_pending());
    REPORT.left.fetch_add(left, Ordering::Relaxed);
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

/// The breakpoint before path number `path`. Returns whether it is to be gone.
fn begins(path: u32) -> bool {
    let report = &raw const REPORT as usize as u32;
    let answer: u32;
    // SAFETY: the tracing program changes the first register only.
    unsafe {
        #[cfg(target_arch = "aarch64")]
        asm!("brk #0", inlateout("x0") path => answer, in("x1") report);
        #[cfg(not(target_arch = "aarch64"))]
        asm!("int3", inlateout("eax") path => answer, in("edx") report);
    }
    answer != 0
}

/// The breakpoint behind a path.
fn ends() {
    // SAFETY: the tracing program changes nothing.
    unsafe {
        #[cfg(target_arch = "aarch64")]
        asm!("brk #0");
        #[cfg(not(target_arch = "aarch64"))]
        asm!("int3");
    }
}

fn main() -> i32 {
    let line = if start::arguments().next() == Some("timer") {
        let timer = Timer::new(1).expect("there are eight");
        timer.attach(&|_, _| handle()).expect("its line is free");
        timer.start_ns(1, PERIOD).expect("a timer");
        Line::TIMER
    } else {
        Line::CONSOLE.attach(&|_| handle()).expect("a free line");
        Line::CONSOLE
    };
    OTHER.attach(&nest).expect("a free line");
    // SAFETY: it calls dispatch once, and leaves flag and stack alone.
    unsafe { upcall::set_body(body) };
    let pattern = Registers::pattern(7);
    let found = Cell::new(pattern);
    // Their order is known to the tracing program.
    let paths: [&dyn Fn(); 5] = [
        // Off and on.
        &|| {
            cpu::disable_interrupts();
            off(|| {});
            // SAFETY: no critical section is open.
            unsafe { cpu::enable_interrupts() };
        },
        // On with another line pending.
        &|| {
            cpu::disable_interrupts();
            off(raise_other);
            // SAFETY: no critical section is open.
            unsafe { cpu::enable_interrupts() };
        },
        // Code that turns nothing off, with values in all registers.
        &|| pattern.hold_to(&found, 1),
        // Idle, until the signal comes.
        &cpu::idle,
        // Mask and unmask.
        &|| {
            line.mask().expect("the line exists");
            off(|| {});
            line.unmask().expect("the line exists");
        },
    ];
    for (number, path) in (0..).zip(paths) {
        loop {
            REPORT.begin();
            if !begins(number) {
                break;
            }
            path();
            ends();
            let changed = u32::from(found.get().known() != pattern);
            REPORT.changed.fetch_add(changed, Ordering::Relaxed);
        }
    }
    0
}
