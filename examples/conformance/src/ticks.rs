// SPDX-License-Identifier: MIT OR Apache-2.0
//! Periodic timers, counted against the clock.
//!
//! A count is taken in the middle of a period, where the number that the clock demands is exact. An interrupt that is
//! late makes the count too small for a while, so the count is taken again until it fits; one that got lost makes it
//! too small for ever. A count that is too large is wrong at once.

use paravirt_bsp::timer::{TICK, Timer};

use crate::check::{Outcome, Problem, ensure};
use crate::settings::{MICROSECOND, MILLISECOND, note, now, time_limit};

/// Longer than any check takes, in ns.
const LONG: u64 = 1 << 40;

/// A timer that runs.
#[derive(Clone, Copy)]
pub struct Running {
    timer: Timer,
    first: u64,
    period: u64,
    /// Its expirations before it was started.
    base: u64,
    /// Times between which it was started, less than half a period apart.
    before: u64,
    after: u64,
}

impl Running {
    /// Starts a timer, again where the machine stood still meanwhile, so that nobody knows when it was.
    pub fn start(number: u32, first: u64, period: u64) -> Result<Self, Problem> {
        let timer = Timer::new(number).ok_or_else(|| Problem::failed(format_args!("no timer {number}")))?;
        let end = now() + time_limit();
        loop {
            timer.stop()?;
            let base = timer.expirations();
            let before = now();
            timer.start_ns(first, period)?;
            let after = now();
            if after - before < period / 2 {
                return Ok(Self {
                    timer,
                    first,
                    period,
                    base,
                    before,
                    after,
                });
            }
            ensure!(
                after < end,
                "starting a timer takes {} us",
                (after - before) / MICROSECOND
            );
        }
    }

    /// Expirations since the start.
    pub fn count(self) -> u64 {
        self.timer.expirations() - self.base
    }

    /// What the clock demands, `elapsed` ns after the start.
    fn demanded(self, elapsed: u64) -> u64 {
        elapsed
            .checked_sub(self.first)
            .map_or(0, |running| running / self.period + 1)
    }

    /// Waits for the next middle of a period, interrupts on. A clock that steps by whole periods shows none, and needs
    /// none: no time that it shows lies beside an expiration.
    fn wait_for_a_middle(self) {
        let phase = self.first % self.period;
        let begin = now();
        let mut time = begin;
        while (time - self.after + self.period - phase) % self.period < self.period / 2 && time - begin < self.period {
            time = now();
        }
    }

    /// The count of this moment: fits if it is what the clock demands.
    pub fn settle(self) -> Outcome {
        let number = self.base;
        let end = now() + time_limit();
        loop {
            self.wait_for_a_middle();
            let from = now();
            let count = self.count();
            let to = now();
            let (least, most) = (self.demanded(from - self.after), self.demanded(to - self.before));
            ensure!(
                count <= most,
                "{count} expirations of {} us where the clock demands {most}",
                self.period / MICROSECOND
            );
            if count == least && count == most {
                return Ok(());
            }
            ensure!(
                to < end,
                "{count} expirations of {} us where the clock demands {least} (after {number})",
                self.period / MICROSECOND
            );
        }
    }

    /// Waits until the clock demands `count` expirations.
    pub fn wait(self, count: u64) {
        let end = self.after + self.first + (count - 1) * self.period;
        while now() < end {}
    }

    /// Stops it. What was due before is counted, whether an interrupt has told of it or not.
    pub fn stop(self) -> Outcome {
        let from = now();
        self.timer.stop()?;
        let to = now();
        self.ensure_exact(from, to)
    }

    /// Starts it anew, to expire once, long after the check; what was due before is counted as in [`Running::stop`].
    pub fn replace(self) -> Outcome {
        let from = now();
        self.timer.start_ns(LONG, 0)?;
        let to = now();
        self.ensure_exact(from, to)?;
        Ok(self.timer.stop()?)
    }

    /// The count is what the clock demanded at some moment from `from` to `to`.
    fn ensure_exact(self, from: u64, to: u64) -> Outcome {
        let count = self.count();
        let (least, most) = (self.demanded(from - self.after), self.demanded(to - self.before));
        ensure!(
            (least..=most).contains(&count),
            "{count} expirations of {} us at the end where the clock demands {least} to {most}",
            self.period / MICROSECOND
        );
        Ok(())
    }
}

pub fn thousand() -> Outcome {
    let ticks = Running::start(TICK, MILLISECOND, MILLISECOND)?;
    ticks.wait(1000);
    ticks.settle()?;
    let count = ticks.count();
    ticks.stop()?;
    ensure!(count >= 1000, "only {count}");
    note(format_args!("{count} ticks"));
    Ok(())
}

/// None before the first, and the others by the period.
pub fn first_and_period() -> Outcome {
    for (first, period) in [(50, 4), (0, 5), (3, 20), (7, 2)] {
        let timer = Running::start(1, first * MILLISECOND, period * MILLISECOND)?;
        timer.settle()?;
        timer.wait(5);
        timer.settle()?;
        timer.stop()?;
    }
    Ok(())
}

pub fn two() -> Outcome {
    let [short, long] = [(1, 3), (2, 7)].map(|(number, ms)| Running::start(number, ms * MILLISECOND, ms * MILLISECOND));
    let (short, long) = (short?, long?);
    long.wait(60);
    long.settle()?;
    short.settle()?;
    // One goes on when the other ends.
    long.stop()?;
    short.wait(short.count() + 10);
    short.settle()?;
    short.stop()
}

/// Different periods on every timer there is.
pub fn all() -> Outcome {
    let mut timers = [None; paravirt_bsp::abi::line::TIMERS as usize];
    for (number, timer) in (0..).zip(&mut timers) {
        let period = (2 + u64::from(number)) * MILLISECOND;
        *timer = Some(Running::start(number, period, period)?);
    }
    for timer in timers.into_iter().flatten() {
        timer.wait(20);
        timer.settle()?;
    }
    for timer in timers.into_iter().flatten() {
        timer.settle()?;
        timer.stop()?;
    }
    Ok(())
}
