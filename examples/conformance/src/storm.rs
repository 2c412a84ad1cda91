// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many interrupts.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::cpu;
use paravirt_bsp::irq::Line;

use crate::check::{Check, Outcome, ensure};
use crate::settings::{MICROSECOND, MILLISECOND, note, now};
use crate::ticks::Running;
use crate::timer;

pub const CHECKS: &[Check] = &[
    ("storm: 10,000 raises", raises),
    ("storm: timers and a software line", timers),
];

const LINE: Line = Line::new(FIRST_FREE).expect("a free line");

static CALLS: AtomicU32 = AtomicU32::new(0);
/// The lowest addresses of the stack that a handler ran at: in the first calls, and in all.
static LOWEST_EARLY: AtomicUsize = AtomicUsize::new(usize::MAX);
static LOWEST: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Calls after which the stack has gone as deep as it should.
const EARLY: u32 = 200;
/// What it may go deeper in bytes: the first calls may all come of the line that is raised, which is a call, and a
/// later one of a timer's upcall, which has a frame of a kilobyte; and code is interrupted here or there, in a function
/// or not. Frames that pile up take more.
const SLACK: usize = 2048;

fn count(_line: Line) {
    let here = 0u8;
    let stack = (&raw const here).addr();
    if CALLS.fetch_add(1, Ordering::Relaxed) < EARLY {
        LOWEST_EARLY.fetch_min(stack, Ordering::Relaxed);
    }
    LOWEST.fetch_min(stack, Ordering::Relaxed);
}

fn calls() -> u32 {
    CALLS.load(Ordering::Relaxed)
}

/// Each runs its handler; while interrupts are off, any number is one.
fn raises() -> Outcome {
    const RAISES: u32 = 10_000;
    LINE.attach(&count)?;
    for _ in 0..RAISES {
        LINE.raise()?;
    }
    let on = calls();
    cpu::without_interrupts(|_| (0..RAISES).try_for_each(|_| LINE.raise()))?;
    let off = calls() - on;
    LINE.detach()?;
    ensure!(on == RAISES, "{on} calls for {RAISES} raises");
    ensure!(off == 1, "{off} calls with interrupts off");
    Ok(())
}

/// Timers of four periods, a line that the interrupted code raises, and time with interrupts off: nothing is lost, and
/// the stack does not grow. Where a timer costs much, the periods are longer: amid more interrupts than a host can
/// deliver nothing else goes on.
fn timers() -> Outcome {
    /// The shortest period, in ns, and how many times a timer's cost it is at least.
    const SHORTEST: u64 = 500 * MICROSECOND;
    const COSTS: u64 = 4;
    let unit = SHORTEST.max(COSTS * timer::cost()?) / 5;
    CALLS.store(0, Ordering::Relaxed);
    LINE.attach(&count)?;
    let start = |number, units| Running::start(number, units * unit, units * unit);
    let timers = [start(1, 5)?, start(2, 7)?, start(3, 11)?, start(4, 13)?];
    let end = now() + 400 * MILLISECOND;
    let mut raises = 0;
    while now() < end {
        LINE.raise()?;
        cpu::without_interrupts(|_| LINE.raise())?;
        raises += 2;
    }
    for timer in timers {
        timer.settle()?;
    }
    for timer in timers {
        timer.stop()?;
    }
    LINE.detach()?;
    let deeper = LOWEST_EARLY.load(Ordering::Relaxed) - LOWEST.load(Ordering::Relaxed);
    note(format_args!(
        "{raises} raises, periods from {} us, the stack went {deeper} bytes deeper",
        5 * unit / MICROSECOND
    ));
    ensure!(calls() == raises, "{} calls for {raises} raises", calls());
    ensure!(deeper <= SLACK, "the stack went {deeper} bytes deeper");
    Ok(())
}
