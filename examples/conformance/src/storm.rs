// SPDX-License-Identifier: MIT OR Apache-2.0
//! Many interrupts.

use core::ffi::c_void;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::{clock, cpu, irq};

use crate::check::{Outcome, ensure};
use crate::settings::{MICROSECOND, MILLISECOND, note};
use crate::ticks::Running;

const LINE: u32 = FIRST_FREE;

static CALLS: AtomicU32 = AtomicU32::new(0);
/// The lowest addresses of the stack that a handler ran at: in the first calls, and in all.
static LOWEST_EARLY: AtomicUsize = AtomicUsize::new(usize::MAX);
static LOWEST: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Calls after which the stack has gone as deep as it should.
const EARLY: u32 = 200;
/// What it may go deeper in bytes: code is interrupted here or there, in a function or not. Frames that pile up take more.
const SLACK: usize = 1024;

extern "C" fn count(_line: u32, _argument: *mut c_void) {
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
pub fn raises() -> Outcome {
    const RAISES: u32 = 10_000;
    irq::attach(LINE, count, null_mut())?;
    for _ in 0..RAISES {
        irq::raise(LINE)?;
    }
    let on = calls();
    cpu::disable_interrupts();
    for _ in 0..RAISES {
        irq::raise(LINE)?;
    }
    cpu::enable_interrupts();
    let off = calls() - on;
    irq::detach(LINE)?;
    ensure!(on == RAISES, "{on} calls for {RAISES} raises");
    ensure!(off == 1, "{off} calls with interrupts off");
    Ok(())
}

/// Timers of four periods, a line that the interrupted code raises, and time with interrupts off: nothing is lost, and the stack
/// does not grow.
pub fn timers() -> Outcome {
    CALLS.store(0, Ordering::Relaxed);
    irq::attach(LINE, count, null_mut())?;
    let start = |number, us| Running::start(number, us * MICROSECOND, us * MICROSECOND);
    let timers = [
        start(1, 500)?,
        start(2, 700)?,
        start(3, 1100)?,
        start(4, 1300)?,
    ];
    let end = clock::now() + 400 * MILLISECOND;
    let mut raises = 0;
    while clock::now() < end {
        irq::raise(LINE)?;
        cpu::without_interrupts(|| irq::raise(LINE))?;
        raises += 2;
    }
    for timer in timers {
        timer.settle()?;
    }
    for timer in timers {
        timer.stop()?;
    }
    irq::detach(LINE)?;
    let deeper = LOWEST_EARLY.load(Ordering::Relaxed) - LOWEST.load(Ordering::Relaxed);
    note(format_args!(
        "{raises} raises, the stack went {deeper} bytes deeper"
    ));
    ensure!(calls() == raises, "{} calls for {raises} raises", calls());
    ensure!(deeper <= SLACK, "the stack went {deeper} bytes deeper");
    Ok(())
}
