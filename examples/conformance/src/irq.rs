// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines, raised by software.

use core::sync::atomic::{AtomicU32, Ordering};

use paravirt_bsp::abi::line::{FIRST_FREE, LINES};
use paravirt_bsp::irq::{self, Line};
use paravirt_bsp::{Error, cpu};

use crate::check::{Check, Outcome, ensure};

pub const CHECKS: &[Check] = &[
    ("irq: a raise runs the handler before it returns", raise),
    ("irq: nothing comes while interrupts are off", off),
    ("irq: a masked line latches", masked),
    ("irq: masking withdraws what is pending", withdrawn),
    ("irq: a detached line is silent", detached),
    ("irq: the lowest line goes first", order),
    ("irq: every line", every_line),
    ("irq: a line without a handler is counted", spurious),
];

const LINE: Line = Line::new(FIRST_FREE).expect("a free line");
/// A line that no check attaches.
const STRAY: Line = Line::new(29).expect("there are 31 lines");

static CALLS: AtomicU32 = AtomicU32::new(0);
static LAST_LINE: AtomicU32 = AtomicU32::new(0);

fn count(line: Line) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    LAST_LINE.store(line.number(), Ordering::Relaxed);
}

fn calls() -> u32 {
    CALLS.load(Ordering::Relaxed)
}

/// Runs `body` with a counting handler on [`LINE`].
fn with_line(body: impl FnOnce() -> Outcome) -> Outcome {
    CALLS.store(0, Ordering::Relaxed);
    LINE.attach_for(&count, body)?
}

fn raise() -> Outcome {
    let (calls, told) = (AtomicU32::new(0), AtomicU32::new(0));
    let handler = |line: Line| {
        calls.fetch_add(1, Ordering::Relaxed);
        told.store(line.number(), Ordering::Relaxed);
    };
    let calls = || calls.load(Ordering::Relaxed);
    LINE.attach_for(&handler, || {
        ensure!(calls() == 0, "{} calls before it", calls());
        LINE.raise()?;
        ensure!(calls() == 1, "{} calls", calls());
        let told = told.load(Ordering::Relaxed);
        ensure!(told == LINE.number(), "the handler was told line {told}");
        Ok(())
    })?
}

/// Raised three times meanwhile, the line comes once, when they are on again.
fn off() -> Outcome {
    with_line(|| {
        let (early, pending) = cpu::without_interrupts(|_| {
            for _ in 0..3 {
                LINE.raise()?;
            }
            Ok::<_, Error>((calls(), LINE.is_pending()))
        })?;
        ensure!(early == 0, "{early} calls with interrupts off");
        ensure!(pending, "it was not pending");
        ensure!(calls() == 1, "{} calls afterwards", calls());
        ensure!(!LINE.is_pending(), "it is still pending");
        Ok(())
    })
}

fn masked() -> Outcome {
    with_line(|| {
        LINE.mask()?;
        for _ in 0..3 {
            LINE.raise()?;
        }
        ensure!(calls() == 0, "{} calls of a masked line", calls());
        LINE.unmask()?;
        ensure!(calls() == 1, "{} calls after the mask", calls());
        LINE.mask()?;
        LINE.unmask()?;
        ensure!(calls() == 1, "{} calls after an idle mask", calls());
        Ok(())
    })
}

fn withdrawn() -> Outcome {
    with_line(|| {
        let pending = cpu::without_interrupts(|_| {
            LINE.raise()?;
            LINE.mask()?;
            Ok::<_, Error>(LINE.is_pending())
        })?;
        ensure!(!pending, "pending in spite of the mask");
        ensure!(calls() == 0, "{} calls of a masked line", calls());
        let early = cpu::without_interrupts(|_| {
            LINE.unmask()?;
            Ok::<_, Error>(calls())
        })?;
        ensure!(early == 0, "{early} calls with interrupts off");
        ensure!(calls() == 1, "{} calls after the mask", calls());
        Ok(())
    })
}

fn detached() -> Outcome {
    with_line(|| Ok(()))?;
    LINE.raise()?;
    ensure!(calls() == 0, "{} calls", calls());
    ensure!(LINE.detach() == Err(Error::NotAttached), "detached twice");
    // What came in between is still latched, and belongs to the next who attaches.
    LINE.attach(&count)?;
    ensure!(calls() == 1, "{} calls of what was latched", calls());
    ensure!(LINE.attach(&count) == Err(Error::Busy), "attached twice");
    Ok(LINE.detach()?)
}

static ORDER: AtomicU32 = AtomicU32::new(0);

fn append(line: Line) {
    let order = ORDER.load(Ordering::Relaxed) * 32 + line.number();
    ORDER.store(order, Ordering::Relaxed);
}

fn order() -> Outcome {
    let numbers = [3, 0, 9, 1].map(|above| FIRST_FREE + above);
    let lines = || numbers.into_iter().filter_map(Line::new);
    for line in lines() {
        line.attach(&append)?;
    }
    cpu::without_interrupts(|_| lines().try_for_each(Line::raise))?;
    for line in lines() {
        line.detach()?;
    }
    let mut wanted = numbers;
    wanted.sort_unstable();
    let wanted = wanted.into_iter().fold(0, |order, line| order * 32 + line);
    let order = ORDER.load(Ordering::Relaxed);
    ensure!(order == wanted, "{order:#x} in steps of 5 bits, not {wanted:#x}");
    Ok(())
}

fn every_line() -> Outcome {
    for line in (FIRST_FREE..LINES).filter_map(Line::new) {
        CALLS.store(0, Ordering::Relaxed);
        line.attach(&count)?;
        line.raise()?;
        line.detach()?;
        let last = LAST_LINE.load(Ordering::Relaxed);
        ensure!(
            calls() == 1 && last == line.number(),
            "line {}: {} calls, the last of {last}",
            line.number(),
            calls()
        );
    }
    Ok(())
}

/// And said once.
fn spurious() -> Outcome {
    let before = irq::spurious();
    STRAY.unmask()?;
    STRAY.raise()?;
    STRAY.raise()?;
    STRAY.mask()?;
    let spurious = irq::spurious() - before;
    ensure!(spurious == 2, "{spurious} of 2");
    Ok(())
}
