// SPDX-License-Identifier: MIT OR Apache-2.0
//! Idle.

use core::sync::atomic::{AtomicU32, Ordering};

use embedded_hal::delay::DelayNs;
use paravirt_bsp::Error;
use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::cpu;
use paravirt_bsp::irq::Line;
use paravirt_bsp::timer::{Delay, Timer};

use crate::check::{Check, Outcome, Problem, ensure};
use crate::settings::{MICROSECOND, MILLISECOND, late, note, now, time_limit};

pub const CHECKS: &[Check] = &[
    ("idle: ends at once if a line is pending", pending),
    ("idle: ends by an interrupt, handler run", interrupt),
    ("idle: no wake-up is lost", none_lost),
    ("idle: sleeps", sleeps),
];

const LINE: Line = Line::new(FIRST_FREE).expect("a free line");
static CALLS: AtomicU32 = AtomicU32::new(0);

fn calls() -> u32 {
    CALLS.load(Ordering::Relaxed)
}

fn timer(number: u32) -> Result<Timer, Problem> {
    Timer::new(number).ok_or_else(|| Problem::failed(format_args!("no timer {number}")))
}

/// With interrupts off: the handler runs when they are on. Timers expire all the same, also for a delay.
fn pending() -> Outcome {
    let timer = timer(5)?;
    LINE.attach(&|_| {
        CALLS.fetch_add(1, Ordering::Relaxed);
    })?;
    let (delay, early) = cpu::without_interrupts(|_| {
        LINE.raise()?;
        cpu::idle();
        let before = timer.expirations();
        timer.start_ns(MILLISECOND, 0)?;
        cpu::idle_until(|_| timer.expirations() != before);
        let begin = now();
        Delay::new(timer).delay_ns(MILLISECOND as u32);
        Ok::<_, Error>((now() - begin, calls()))
    })?;
    LINE.detach()?;
    ensure!(delay >= MILLISECOND, "a delay of {} us", delay / MICROSECOND);
    ensure!(early == 0, "idle ran a handler with interrupts off");
    ensure!(calls() == 1, "the handler did not run");
    Ok(())
}

/// With interrupts on, its handler has run; with interrupts off, the line stays pending. The timer goes on, because one
/// that expired before the wait, on a machine that stood still, would not end it.
fn interrupt() -> Outcome {
    let timer = timer(5)?;
    CALLS.store(0, Ordering::Relaxed);
    timer.attach(&|_, _| {
        CALLS.fetch_add(1, Ordering::Relaxed);
    })?;
    timer.start_ns(10 * MILLISECOND, 10 * MILLISECOND)?;
    cpu::idle();
    let on = calls();
    let (before, off, enabled) = cpu::without_interrupts(|_| {
        let before = calls();
        cpu::idle();
        (before, calls(), cpu::interrupts_enabled())
    });
    let after = calls();
    timer.stop()?;
    timer.detach()?;
    ensure!(on > 0, "no call when idle returned");
    ensure!(off == before && !enabled, "idle ran a handler with interrupts off");
    ensure!(after > before, "no call when interrupts were on again");
    Ok(())
}

/// Interrupts just before, in and just after the wait. One that is lost would end with the guard, late. Most must be
/// punctual.
fn none_lost() -> Outcome {
    const ROUNDS: u64 = 1000;
    /// Rounds in a row for which a machine may stand still.
    const FEW: u64 = 10;
    let (timer, guard) = (timer(5)?, timer(6)?);
    guard.start_ns(2 * time_limit(), 2 * time_limit())?;
    let (mut longest, mut late_rounds) = (0, 0);
    for round in 0..ROUNDS {
        // Spread over the time that the way into the wait takes, on slow machines and on fast ones.
        let delay = round * 7919 % 64 * MICROSECOND;
        let (before, begin) = (timer.expirations(), now());
        timer.start_ns(delay, 0)?;
        cpu::idle_until(|_| timer.expirations() != before);
        let took = now().saturating_sub(begin + delay);
        longest = longest.max(took);
        late_rounds += u64::from(took > late());
        // By and by as well: all rounds of a host that is always late take long.
        ensure!(
            late_rounds <= FEW + round / 2,
            "{late_rounds} of {} took more than {} us",
            round + 1,
            late() / MICROSECOND
        );
    }
    guard.stop()?;
    note(format_args!("longest {} us", longest / MICROSECOND));
    ensure!(longest <= time_limit(), "one took {} us", longest / MICROSECOND);
    Ok(())
}

/// Few wake-ups in a long wait, and it is as long as it should be.
fn sleeps() -> Outcome {
    /// Hosts have reasons of their own to end a wait, but not many.
    const MOST: u32 = 50;
    let timer = timer(5)?;
    let before = timer.expirations();
    let mut wakes = 0;
    timer.start_ns(300 * MILLISECOND, 0)?;
    cpu::idle_until(|_| {
        wakes += 1;
        timer.expirations() != before
    });
    note(format_args!("{wakes} wake-ups"));
    ensure!(wakes <= MOST, "{wakes} wake-ups in 300 ms");
    Ok(())
}
