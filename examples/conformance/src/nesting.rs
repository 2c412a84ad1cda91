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

/// What a handler saw of the line that was raised with its own.
static SEEN: AtomicU32 = AtomicU32::new(0);
static INNER: AtomicU32 = AtomicU32::new(0);

/// How a handler lets the other line come.
#[derive(Clone, Copy)]
enum Let {
    Enable = 1,
    Restore = 2,
    Idle = 3,
    IdleOff = 4,
}

extern "C" fn let_other_come(_line: u32, argument: *mut c_void) {
    let inner = || INNER.load(Ordering::Relaxed);
    let pending = irq::is_pending(LAST);
    let how = argument.addr();
    if how == Let::Enable as usize {
        cpu::enable_interrupts();
    } else if how == Let::Restore as usize {
        cpu::restore_interrupts(true);
    } else if how == Let::Idle as usize {
        cpu::enable_interrupts();
        cpu::idle_until(|| inner() != 0);
    } else {
        // Ends at once, because the other line is pending; its handler waits for interrupts.
        cpu::idle();
    }
    SEEN.store(inner() + 2 * u32::from(pending), Ordering::Relaxed);
}

extern "C" fn other(_line: u32, _argument: *mut c_void) {
    INNER.fetch_add(1, Ordering::Relaxed);
}

/// Both pending before the first handler begins.
fn pending_together() -> Outcome {
    irq::attach(LAST, other, null_mut())?;
    for how in [Let::Enable, Let::Restore, Let::Idle, Let::IdleOff] {
        INNER.store(0, Ordering::Relaxed);
        irq::attach(FIRST, let_other_come, how as usize as *mut c_void)?;
        cpu::disable_interrupts();
        irq::raise(LAST)?;
        irq::raise(FIRST)?;
        cpu::enable_interrupts();
        irq::detach(FIRST)?;
        let seen = SEEN.load(Ordering::Relaxed);
        let expected = if matches!(how, Let::IdleOff) { 2 } else { 3 };
        ensure!(
            seen == expected,
            "way {}: pending and calls in the handler {seen}, not {expected}",
            how as u32
        );
        let calls = INNER.load(Ordering::Relaxed);
        ensure!(calls == 1, "way {}: {calls} calls", how as u32);
    }
    Ok(irq::detach(LAST)?)
}

/// By software, one in the other, and by the timer; also if they were pending before the handler began.
pub fn other_lines() -> Outcome {
    pending_together()?;
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
