// SPDX-License-Identifier: MIT OR Apache-2.0
//! Handlers that turn interrupts on.

use core::sync::atomic::{AtomicU32, Ordering};

use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::cpu;
use paravirt_bsp::irq::Line;
use paravirt_bsp::timer::Timer;

use crate::check::{Check, Outcome, Problem, ensure};
use crate::settings::{MILLISECOND, now, time_limit};

pub const CHECKS: &[Check] = &[
    ("irq: other lines nest in a handler", other_lines),
    ("irq: a line does not nest in itself", same_line),
];

/// Lines that nest, the first in the second and so on.
const LINES: [Line; 4] = [line(0), line(1), line(2), line(3)];
const FIRST: Line = LINES[0];
const LAST: Line = LINES[3];

const fn line(above: u32) -> Line {
    Line::new(FIRST_FREE + above).expect("a free line")
}

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

fn nest(line: Line) {
    enter();
    // SAFETY: at the handler's own level.
    unsafe { cpu::enable_interrupts() };
    if line == FIRST {
        // A lower number than those that nest: it counts for order, not for nesting.
        wait_for_the_timer();
    }
    if let Some(next) = LINES.into_iter().find(|&next| next > line) {
        let _ = next.raise();
    }
    leave();
}

fn wait_for_the_timer() {
    let Some(timer) = Timer::new(TIMER) else {
        return;
    };
    let before = timer.expirations();
    let end = now() + time_limit();
    if timer.start_ns(MILLISECOND, 0).is_ok() {
        while timer.expirations() == before && now() < end {}
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

fn let_other_come(how: Let) {
    let inner = || INNER.load(Ordering::Relaxed);
    let pending = LAST.is_pending();
    match how {
        // SAFETY: at the handler's own level.
        Let::Enable => unsafe { cpu::enable_interrupts() },
        // SAFETY: as above.
        Let::Restore => unsafe { cpu::restore_interrupts(true) },
        Let::Idle => {
            // SAFETY: as above.
            unsafe { cpu::enable_interrupts() };
            cpu::idle_until(|_| inner() != 0);
        }
        // Ends at once, because the other line is pending; its handler waits for interrupts.
        Let::IdleOff => cpu::idle(),
    }
    SEEN.store(inner() + 2 * u32::from(pending), Ordering::Relaxed);
}

/// Both pending before the first handler begins.
fn pending_together() -> Outcome {
    LAST.attach(&|_| {
        INNER.fetch_add(1, Ordering::Relaxed);
    })?;
    for how in [Let::Enable, Let::Restore, Let::Idle, Let::IdleOff] {
        INNER.store(0, Ordering::Relaxed);
        FIRST.attach_for(&|_| let_other_come(how), || {
            cpu::without_interrupts(|_| {
                LAST.raise()?;
                FIRST.raise()
            })
        })??;
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
    Ok(LAST.detach()?)
}

/// By software, one in the other, and by the timer; also if they were pending before the handler began.
fn other_lines() -> Outcome {
    pending_together()?;
    for line in LINES {
        line.attach(&nest)?;
    }
    FIRST.raise()?;
    for line in LINES {
        line.detach()?;
    }
    let deepest = DEEPEST.load(Ordering::Relaxed);
    ensure!(deepest == LINES.len() as u32, "{deepest} deep");
    let ticked = TICKED.load(Ordering::Relaxed);
    ensure!(ticked == 1, "{ticked} expirations in a handler");
    ensure!(cpu::interrupts_enabled(), "interrupts are off afterwards");
    Ok(())
}

fn again(line: Line) {
    enter();
    // SAFETY: at the handler's own level.
    unsafe { cpu::enable_interrupts() };
    if CALLS.load(Ordering::Relaxed) < 5 {
        let _ = line.raise();
    }
    leave();
}

/// Raised in its own handler, the handler runs once more when it is done.
fn same_line() -> Outcome {
    CALLS.store(0, Ordering::Relaxed);
    DEEPEST.store(0, Ordering::Relaxed);
    FIRST.attach(&again)?;
    FIRST.raise()?;
    FIRST.detach()?;
    let (calls, deepest) = (CALLS.load(Ordering::Relaxed), DEEPEST.load(Ordering::Relaxed));
    if deepest != 1 {
        return Err(Problem::failed(format_args!("{deepest} deep")));
    }
    ensure!(calls == 5, "{calls} calls");
    Ok(())
}
