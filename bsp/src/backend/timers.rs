// SPDX-License-Identifier: MIT OR Apache-2.0
//! All timers of the guest on one one-shot timer of the host.
//!
//! A timer's next deadline is its last one plus the period, so periods do not drift however late an interrupt is. The
//! backend's timer interrupt may come at any instant, also while the table is being changed: it then only leaves a note,
//! and whoever changes the table looks for the note before it goes.

use core::sync::atomic::{Ordering, compiler_fence};

use paravirt_abi::error::Error;
use paravirt_abi::line::{self, TIMERS};

use super::lines;
use crate::local::Local;
use crate::{cpu, vcpu};

/// Shortest period in ns: below it, interrupts leave no time for anything else.
const SHORTEST_PERIOD: u64 = 10_000;
/// The deadline of a timer that is stopped, in ns of guest time: centuries from the start.
const NEVER: u64 = u64::MAX;

/// The host's clock and its one-shot timer.
#[derive(Debug)]
pub struct Source {
    /// Guest time in ns.
    pub now: extern "C" fn() -> u64,
    /// Sets the host's timer to that guest time in ns; a time that has passed already means at once. Called with the
    /// virtual interrupt flag off.
    pub arm: fn(deadline: u64),
    /// Stops the host's timer. Called as `arm`; an interrupt that comes all the same does no harm.
    pub disarm: fn(),
}

/// A timer of the guest.
#[derive(Clone, Copy)]
struct Timer {
    deadline: u64,
    period: u64,
}

static SOURCE: Local<Option<&'static Source>> = Local::new(None);
static TABLE: [Local<Timer>; TIMERS as usize] = [const {
    Local::new(Timer {
        deadline: NEVER,
        period: 0,
    })
}; TIMERS as usize];
/// Whether somebody is changing the table.
static BUSY: Local<bool> = Local::new(false);
/// Whether an interrupt found the table busy.
static MISSED: Local<bool> = Local::new(false);

/// Sets what the functions below stand on. For the start of a backend.
pub fn set_source(source: &'static Source) {
    SOURCE.set(Some(source));
}

/// Body of `pv_timer_start`.
pub extern "C" fn start(timer: u32, first: u64, period: u64) -> i32 {
    if period != 0 && period < SHORTEST_PERIOD {
        return Error::InvalidArgument.number();
    }
    let (Some(entry), Some(source)) = (TABLE.get(timer as usize), SOURCE.get()) else {
        return Error::NoSuchDevice.number();
    };
    set(entry, source, || Timer {
        deadline: (source.now)().saturating_add(first),
        period,
    });
    0
}

/// Body of `pv_timer_stop`.
pub extern "C" fn stop(timer: u32) -> i32 {
    let (Some(entry), Some(source)) = (TABLE.get(timer as usize), SOURCE.get()) else {
        return Error::NoSuchDevice.number();
    };
    set(entry, source, || Timer {
        deadline: NEVER,
        period: 0,
    });
    0
}

/// For the backend's timer interrupt, at any instant: counts what has expired, raises the timer line, arms the host's timer
/// for the next deadline.
pub fn expire() {
    if BUSY.get() {
        MISSED.set(true);
        return;
    }
    if let Some(source) = SOURCE.get() {
        BUSY.set(true);
        finish(source);
    }
}

/// Changes one timer. Without interrupts, because a handler may want to change one as well.
fn set(entry: &Local<Timer>, source: &'static Source, timer: impl FnOnce() -> Timer) {
    cpu::without_interrupts(|_| {
        BUSY.set(true);
        compiler_fence(Ordering::SeqCst);
        entry.set(timer());
        finish(source);
    });
}

/// Handles what is due, arms the host's timer and gives the table free, until no interrupt came meanwhile.
fn finish(source: &Source) {
    loop {
        MISSED.set(false);
        compiler_fence(Ordering::SeqCst);
        match handle_due(source) {
            NEVER => (source.disarm)(),
            deadline => (source.arm)(deadline),
        }
        compiler_fence(Ordering::SeqCst);
        BUSY.set(false);
        compiler_fence(Ordering::SeqCst);
        // An interrupt after this test finds the table free and does all this itself.
        if !MISSED.get() {
            return;
        }
        BUSY.set(true);
    }
}

/// Counts the expirations of every timer that is due, and returns the earliest deadline to come.
fn handle_due(source: &Source) -> u64 {
    let now = (source.now)();
    let mut earliest = NEVER;
    let mut expired = false;
    for (number, entry) in (0..).zip(&TABLE) {
        let mut timer = entry.get();
        if timer.deadline != NEVER && timer.deadline <= now {
            let expirations = if timer.period == 0 {
                timer.deadline = NEVER;
                1
            } else {
                // Almost always one; the division is for a guest that did not run for a while.
                let behind = now - timer.deadline;
                let expirations = if behind < timer.period {
                    1
                } else {
                    behind / timer.period + 1
                };
                timer.deadline = timer
                    .deadline
                    .saturating_add(expirations.saturating_mul(timer.period));
                expirations
            };
            entry.set(timer);
            let counter = vcpu::timer_expirations(number);
            counter.write(counter.read() + expirations);
            expired = true;
        }
        earliest = earliest.min(timer.deadline);
    }
    if expired {
        lines::signal(line::TIMER);
    }
    earliest
}
