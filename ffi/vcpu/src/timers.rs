// SPDX-License-Identifier: MIT OR Apache-2.0
//! All timers of a guest on one alarm.
//!
//! A timer's next deadline is its last one plus the period, so periods do not drift however late the alarm is, and each
//! period that has passed counts. All times are ns of one clock, which starts near 0.

use core::cell::Cell;
use core::num::NonZero;
use core::sync::atomic::{AtomicU8, Ordering, compiler_fence};

use paravirt_abi::error::Error;
use paravirt_abi::line::TIMERS;

/// Shortest period in ns that a guest may ask for: each expiration costs it some microseconds.
pub const SHORTEST_PERIOD: u64 = 10_000;

/// A deadline that does not come.
pub const NEVER: u64 = u64::MAX;

/// What timers stand on.
pub trait Alarm {
    /// The time, below 2^63.
    fn now(&self) -> u64;

    /// Has [`Timers::expire`] called at that time, at once if it has passed, in place of what was set before. The time
    /// is below 2^63, or [`NEVER`] for no more. An alarm that comes at another time as well does no harm.
    fn set(&self, deadline: u64);

    /// Counts expirations of a timer, whose number is below [`TIMERS`], and raises the timers' line. There is one at
    /// least, and the first was due at that time.
    fn count(&self, timer: u32, due: u64, expirations: u64);
}

/// A timer.
#[derive(Clone, Copy, Debug)]
struct Timer {
    /// Time of the next expiration. The clock does not reach those from 2^63 on.
    deadline: u64,
    /// Time between expirations, at most [`ONCE`].
    period: NonZero<u64>,
}

/// A period that does not end.
const ONCE: NonZero<u64> = NonZero::new(1 << 63).expect("it is not zero");

/// Nobody changes the timers.
const FREE: u8 = 0;
/// They are being changed, so an alarm leaves them alone.
const BUSY: u8 = 1;
/// As before, and an alarm has come meanwhile.
const MISSED: u8 = 2;

/// The timers of a guest.
///
/// The alarm may come at any instruction, also in the midst of the functions here. They are for one thread, on which
/// the alarm comes as well, and only [`Timers::expire`] may be called while another of them runs.
#[derive(Debug)]
pub struct Timers {
    timers: [Cell<Timer>; TIMERS as usize],
    /// One of the three above.
    state: AtomicU8,
}

impl Default for Timers {
    fn default() -> Self {
        Self::new()
    }
}

impl Timers {
    /// Timers that do not run.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            timers: [const {
                Cell::new(Timer {
                    deadline: NEVER,
                    period: ONCE,
                })
            }; TIMERS as usize],
            state: AtomicU8::new(FREE),
        }
    }

    /// Starts a timer anew: it expires after `first` ns, and then every `period` ns; 0: once. What was due until now is
    /// counted before, of all timers. What would come at 2^63 or later does not come.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such timer, [`Error::InvalidArgument`] for a period that is too short.
    pub fn start(&self, alarm: &impl Alarm, number: u32, first: u64, period: u64) -> Result<(), Error> {
        let Some(timer) = self.timers.get(number as usize) else {
            return Err(Error::NoSuchDevice);
        };
        if (1..SHORTEST_PERIOD).contains(&period) {
            return Err(Error::InvalidArgument);
        }
        self.state.store(BUSY, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        let now = alarm.now();
        self.count(alarm, now);
        timer.set(Timer {
            deadline: now.saturating_add(first),
            period: NonZero::new(period)
                .filter(|period| period.get() >> 63 == 0)
                .unwrap_or(ONCE),
        });
        self.finish(alarm);
        Ok(())
    }

    /// Stops a timer. What was due until now is counted before, of all timers.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such timer.
    pub fn stop(&self, alarm: &impl Alarm, number: u32) -> Result<(), Error> {
        self.start(alarm, number, NEVER, 0)
    }

    /// Counts what is due, and sets the alarm for what comes next. For the alarm, early or late, at any instruction.
    pub fn expire(&self, alarm: &impl Alarm) {
        if self.state.swap(MISSED, Ordering::Relaxed) == FREE {
            self.finish(alarm);
        }
    }

    /// Counts what is due and sets the alarm, until no alarm has come meanwhile. Once in an image, for its size.
    #[inline(never)]
    fn finish(&self, alarm: &impl Alarm) {
        loop {
            self.state.store(BUSY, Ordering::Relaxed);
            compiler_fence(Ordering::SeqCst);
            let next = self.count(alarm, alarm.now());
            // Clocks below count with signed numbers, in which a time from 2^63 on has passed: that is `NEVER`, all
            // ones.
            alarm.set(next | ((next as i64) >> 63) as u64);
            compiler_fence(Ordering::SeqCst);
            // An alarm after this finds the timers free and does all this itself.
            if self.state.swap(FREE, Ordering::SeqCst) == BUSY {
                return;
            }
        }
    }

    /// Counts what is due at the time `now`; the time of what comes next. Once in an image, for its size.
    #[inline(never)]
    fn count(&self, alarm: &impl Alarm, now: u64) -> u64 {
        let mut next = NEVER;
        for (number, cell) in (0..).zip(&self.timers) {
            let mut timer = cell.get();
            if timer.deadline <= now {
                let expirations = (now - timer.deadline) / timer.period + 1;
                // At most what has passed since the deadline and a period: together below 2^64.
                let ahead = expirations * timer.period.get();
                let due = timer.deadline;
                timer.deadline += ahead;
                cell.set(timer);
                alarm.count(number, due, expirations);
            }
            next = next.min(timer.deadline);
        }
        next
    }
}
