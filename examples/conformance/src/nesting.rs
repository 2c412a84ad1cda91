// SPDX-License-Identifier: MIT OR Apache-2.0
//! Handlers that turn interrupts on.

use core::ffi::c_void;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU32, Ordering};

use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::timer::Timer;
use paravirt_bsp::{clock, cpu, irq};

use crate::check::{Outcome, Problem, ensure};
use crate::settings::{MILLISECOND, patience};

const FIRST: u32 = FIRST_FREE;
const LAST: u32 = FIRST_FREE + 3;
/// A timer that expires while a handler runs.
const TIMER: u32 = 4;

static DEPTH: AtomicU32 = AtomicU32::new(0);
static DEEPEST: AtomicU32 = AtomicU32::new(0);
static CALLS: AtomicU32 = AtomicU32::new(0);
static TICKED: AtomicU32 = AtomicU32::new(0);

fn enter() -> u32 {
    CALLS.fetch_add(1, Ordering::Relaxed);
    let depth = DEPTH.fetch_add(1, Ordering::Relaxed) + 1;
    DEEPEST.fetch_max(depth, Ordering::Relaxed);
    depth
}

fn leave() {
    DEPTH.fetch_sub(1, Ordering::Relaxed);
}

extern "C" fn nest(line: u32, _argument: *mut c_void) {
    enter();
    cpu::enable_interrupts();
    if line == FIRST {
        // A lower number than those that nest: it counts for order, not for nesting.
        wait_for_the_timer();
    }
    if line < LAST {
        let _ = irq::raise(line + 1);
    }
    leave();
}

fn wait_for_the_timer() {
    let Some(timer) = Timer::new(TIMER) else {
        return;
    };
    let before = timer.expirations();
    let end = clock::now() + patience();
    if timer.start_once(MILLISECOND).is_ok() {
        while timer.expirations() == before && clock::now() < end {}
        TICKED.store((timer.expirations() - before) as u32, Ordering::Relaxed);
    }
}

/// By software, one in the other, and by the timer.
pub fn other_lines() -> Outcome {
    for line in FIRST..=LAST {
        irq::attach(line, nest, null_mut())?;
    }
    irq::raise(FIRST)?;
    for line in FIRST..=LAST {
        irq::detach(line)?;
    }
    let deepest = DEEPEST.load(Ordering::Relaxed);
    ensure!(deepest == LAST - FIRST + 1, "{deepest} deep");
    let ticked = TICKED.load(Ordering::Relaxed);
    ensure!(ticked == 1, "{ticked} expirations in a handler");
    ensure!(cpu::interrupts_enabled(), "interrupts are off afterwards");
    Ok(())
}

extern "C" fn again(line: u32, _argument: *mut c_void) {
    enter();
    cpu::enable_interrupts();
    if CALLS.load(Ordering::Relaxed) < 5 {
        let _ = irq::raise(line);
    }
    leave();
}

/// Raised in its own handler, the handler runs once more when it is done.
pub fn same_line() -> Outcome {
    CALLS.store(0, Ordering::Relaxed);
    DEEPEST.store(0, Ordering::Relaxed);
    irq::attach(FIRST, again, null_mut())?;
    irq::raise(FIRST)?;
    irq::detach(FIRST)?;
    let (calls, deepest) = (
        CALLS.load(Ordering::Relaxed),
        DEEPEST.load(Ordering::Relaxed),
    );
    if deepest != 1 {
        return Err(Problem::failed(format_args!("{deepest} deep")));
    }
    ensure!(calls == 5, "{calls} calls");
    Ok(())
}
