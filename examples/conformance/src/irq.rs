// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines, raised by software.

use core::ffi::c_void;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use paravirt_bsp::abi::line::{FIRST_FREE, LINES};
use paravirt_bsp::{Error, cpu, irq};

use crate::check::{Outcome, ensure};

const LINE: u32 = FIRST_FREE;
/// A line that no check attaches.
const STRAY: u32 = 29;

static CALLS: AtomicU32 = AtomicU32::new(0);
static ARGUMENT: AtomicUsize = AtomicUsize::new(0);
static LAST_LINE: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(line: u32, argument: *mut c_void) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    ARGUMENT.store(argument.addr(), Ordering::Relaxed);
    LAST_LINE.store(line, Ordering::Relaxed);
}

fn calls() -> u32 {
    CALLS.load(Ordering::Relaxed)
}

/// Runs `body` with a counting handler on [`LINE`].
fn with_line(body: impl FnOnce() -> Outcome) -> Outcome {
    CALLS.store(0, Ordering::Relaxed);
    irq::attach(LINE, count, null_mut())?;
    body()?;
    Ok(irq::detach(LINE)?)
}

pub fn raise() -> Outcome {
    irq::attach(LINE, count, 0x55 as *mut c_void)?;
    ensure!(calls() == 0, "{} calls before it", calls());
    irq::raise(LINE)?;
    let line = LAST_LINE.load(Ordering::Relaxed);
    irq::detach(LINE)?;
    ensure!(calls() == 1, "{} calls", calls());
    ensure!(line == LINE, "the handler was told line {line}");
    ensure!(ARGUMENT.load(Ordering::Relaxed) == 0x55, "another argument");
    Ok(())
}

/// Raised three times meanwhile, the line comes once, when they are on again.
pub fn off() -> Outcome {
    with_line(|| {
        cpu::disable_interrupts();
        for _ in 0..3 {
            irq::raise(LINE)?;
        }
        let (early, pending) = (calls(), irq::is_pending(LINE));
        cpu::enable_interrupts();
        ensure!(early == 0, "{early} calls with interrupts off");
        ensure!(pending, "it was not pending");
        ensure!(calls() == 1, "{} calls afterwards", calls());
        ensure!(!irq::is_pending(LINE), "it is still pending");
        Ok(())
    })
}

pub fn masked() -> Outcome {
    with_line(|| {
        irq::mask(LINE)?;
        for _ in 0..3 {
            irq::raise(LINE)?;
        }
        ensure!(calls() == 0, "{} calls of a masked line", calls());
        irq::unmask(LINE)?;
        ensure!(calls() == 1, "{} calls after the mask", calls());
        irq::mask(LINE)?;
        irq::unmask(LINE)?;
        ensure!(calls() == 1, "{} calls after an idle mask", calls());
        Ok(())
    })
}

pub fn withdrawn() -> Outcome {
    with_line(|| {
        cpu::disable_interrupts();
        irq::raise(LINE)?;
        irq::mask(LINE)?;
        let pending = irq::is_pending(LINE);
        cpu::enable_interrupts();
        ensure!(!pending, "pending in spite of the mask");
        ensure!(calls() == 0, "{} calls of a masked line", calls());
        cpu::disable_interrupts();
        irq::unmask(LINE)?;
        let early = calls();
        cpu::enable_interrupts();
        ensure!(early == 0, "{early} calls with interrupts off");
        ensure!(calls() == 1, "{} calls after the mask", calls());
        Ok(())
    })
}

pub fn detached() -> Outcome {
    with_line(|| Ok(()))?;
    irq::raise(LINE)?;
    ensure!(calls() == 0, "{} calls", calls());
    ensure!(
        irq::detach(LINE) == Err(Error::NotAttached),
        "detached twice"
    );
    // What came in between is still latched, and belongs to the next who attaches.
    irq::attach(LINE, count, null_mut())?;
    ensure!(calls() == 1, "{} calls of what was latched", calls());
    ensure!(
        irq::attach(LINE, count, null_mut()) == Err(Error::Busy),
        "attached twice"
    );
    Ok(irq::detach(LINE)?)
}

static ORDER: AtomicU32 = AtomicU32::new(0);

extern "C" fn append(line: u32, _argument: *mut c_void) {
    ORDER.store(ORDER.load(Ordering::Relaxed) * 32 + line, Ordering::Relaxed);
}

pub fn order() -> Outcome {
    let lines = [LINE + 3, LINE, LINE + 9, LINE + 1];
    for line in lines {
        irq::attach(line, append, null_mut())?;
    }
    cpu::disable_interrupts();
    for line in lines {
        irq::raise(line)?;
    }
    cpu::enable_interrupts();
    for line in lines {
        irq::detach(line)?;
    }
    let mut wanted = lines;
    wanted.sort_unstable();
    let wanted = wanted.into_iter().fold(0, |order, line| order * 32 + line);
    let order = ORDER.load(Ordering::Relaxed);
    ensure!(
        order == wanted,
        "{order:#x} in steps of 5 bits, not {wanted:#x}"
    );
    Ok(())
}

pub fn every_line() -> Outcome {
    for line in FIRST_FREE..LINES {
        CALLS.store(0, Ordering::Relaxed);
        irq::attach(line, count, null_mut())?;
        irq::raise(line)?;
        irq::detach(line)?;
        let last = LAST_LINE.load(Ordering::Relaxed);
        ensure!(
            calls() == 1 && last == line,
            "line {line}: {} calls, the last of {last}",
            calls()
        );
    }
    Ok(())
}

/// And said once.
pub fn spurious() -> Outcome {
    let before = irq::spurious();
    irq::unmask(STRAY)?;
    irq::raise(STRAY)?;
    irq::raise(STRAY)?;
    irq::mask(STRAY)?;
    let spurious = irq::spurious() - before;
    ensure!(spurious == 2, "{spurious} of 2");
    Ok(())
}
