// SPDX-License-Identifier: MIT OR Apache-2.0
//! Idle.

use core::ffi::c_void;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU32, Ordering};

use embedded_hal::delay::DelayNs;
use paravirt_bsp::abi::line::FIRST_FREE;
use paravirt_bsp::timer::{Delay, Timer};
use paravirt_bsp::{clock, cpu, irq};

use crate::check::{Outcome, Problem, ensure};
use crate::settings::{MICROSECOND, MILLISECOND, late, note, patience};

const LINE: u32 = FIRST_FREE;
static CALLS: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_line: u32, _argument: *mut c_void) {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

fn timer(number: u32) -> Result<Timer, Problem> {
    Timer::new(number).ok_or_else(|| Problem::failed(format_args!("no timer {number}")))
}

/// With interrupts off: the handler runs when they are on. Timers expire all the same, also for a delay.
pub fn pending() -> Outcome {
    irq::attach(LINE, count, null_mut())?;
    cpu::disable_interrupts();
    irq::raise(LINE)?;
    cpu::idle();
    let timer = timer(5)?;
    let before = timer.expirations();
    timer.start_once(MILLISECOND)?;
    cpu::idle_until(|| timer.expirations() != before);
    let begin = clock::now();
    Delay::new(timer).delay_ns(MILLISECOND as u32);
    let delay = clock::now() - begin;
    let early = CALLS.load(Ordering::Relaxed);
    cpu::enable_interrupts();
    irq::detach(LINE)?;
    ensure!(
        delay >= MILLISECOND,
        "a delay of {} us",
        delay / MICROSECOND
    );
    ensure!(early == 0, "idle ran a handler with interrupts off");
    ensure!(
        CALLS.load(Ordering::Relaxed) == 1,
        "the handler did not run"
    );
    Ok(())
}

/// With interrupts on, its handler has run; with interrupts off, the line stays pending. The timer goes on, because one that
/// expired before the wait, on a machine that stood still, would not end it.
pub fn interrupt() -> Outcome {
    let timer = timer(5)?;
    let calls = || CALLS.load(Ordering::Relaxed);
    CALLS.store(0, Ordering::Relaxed);
    timer.attach(tick, null_mut())?;
    timer.start_periodic(10 * MILLISECOND)?;
    cpu::idle();
    let on = calls();
    cpu::disable_interrupts();
    let before = calls();
    cpu::idle();
    let (off, enabled) = (calls(), cpu::interrupts_enabled());
    cpu::enable_interrupts();
    let after = calls();
    timer.stop()?;
    timer.detach()?;
    ensure!(on > 0, "no call when idle returned");
    ensure!(
        off == before && !enabled,
        "idle ran a handler with interrupts off"
    );
    ensure!(after > before, "no call when interrupts were on again");
    Ok(())
}

extern "C" fn tick(_timer: u32, _expirations: u64, _argument: *mut c_void) {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

/// Interrupts just before, in and just after the wait. One that is lost would end with the guard, late. Most must be punctual.
pub fn none_lost() -> Outcome {
    const ROUNDS: u64 = 1000;
    /// Rounds in a row for which a machine may stand still.
    const FEW: u64 = 10;
    let (timer, guard) = (timer(5)?, timer(6)?);
    guard.start_periodic(2 * patience())?;
    let (mut longest, mut late_rounds) = (0, 0);
    for round in 0..ROUNDS {
        // Spread over the time that the way into the wait takes, on slow machines and on fast ones.
        let delay = round * 7919 % 64 * MICROSECOND;
        let (before, begin) = (timer.expirations(), clock::now());
        timer.start_once(delay)?;
        cpu::idle_until(|| timer.expirations() != before);
        let took = clock::now().saturating_sub(begin + delay);
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
    ensure!(
        longest <= patience(),
        "one took {} us",
        longest / MICROSECOND
    );
    Ok(())
}

/// Few wake-ups in a long wait, and it is as long as it should be.
pub fn sleeps() -> Outcome {
    /// Hosts have reasons of their own to end a wait, but not many.
    const MOST: u32 = 50;
    let timer = timer(5)?;
    let before = timer.expirations();
    let mut wakes = 0;
    timer.start_once(300 * MILLISECOND)?;
    cpu::idle_until(|| {
        wakes += 1;
        timer.expirations() != before
    });
    note(format_args!("{wakes} wake-ups"));
    ensure!(wakes <= MOST, "{wakes} wake-ups in 300 ms");
    Ok(())
}
