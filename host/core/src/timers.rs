// SPDX-License-Identifier: MIT OR Apache-2.0
//! All timers of a guest on one alarm, for hosts that have no timer for each.
//!
//! A timer's next deadline is its last one plus the period, so periods do not drift however late the alarm is, and each period
//! that has passed counts.

use core::cell::Cell;

use paravirt_abi::error::Error;
use paravirt_abi::line::TIMERS;

/// Shortest period in ns that a guest may ask for: each expiration costs it some microseconds.
pub const SHORTEST_PERIOD: u64 = 10_000;

/// A deadline that does not come.
pub const NEVER: u64 = u64::MAX;

/// A timer.
#[derive(Clone, Copy, Debug)]
struct Timer {
    /// Time of the next expiration in ns.
    deadline: u64,
    /// Time between expirations in ns, 0 for once.
    period: u64,
}

/// The timers of a guest. Times are those of one clock, in ns.
#[derive(Debug)]
pub struct Timers {
    timers: [Cell<Timer>; TIMERS as usize],
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            timers: [const {
                Cell::new(Timer {
                    deadline: NEVER,
                    period: 0,
                })
            }; TIMERS as usize],
        }
    }
}

impl Timers {
    /// Starts a timer anew at the time `now`: it expires after `first` ns, and then every `period` ns; 0: once.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such timer, [`Error::InvalidArgument`] for a period that is too short.
    pub fn start(&self, number: u32, now: u64, first: u64, period: u64) -> Result<(), Error> {
        let timer = self.timer(number)?;
        if period != 0 && period < SHORTEST_PERIOD {
            return Err(Error::InvalidArgument);
        }
        let deadline = now.saturating_add(first);
        timer.set(Timer { deadline, period });
        Ok(())
    }

    /// Stops a timer.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such timer.
    pub fn stop(&self, number: u32) -> Result<(), Error> {
        self.timer(number)?.set(Timer {
            deadline: NEVER,
            period: 0,
        });
        Ok(())
    }

    /// The time of the next expiration of all, [`NEVER`] if there is none.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.timers
            .iter()
            .map(|timer| timer.get().deadline)
            .min()
            .unwrap_or(NEVER)
    }

    /// Expires what is due at the time `now`, and tells `count` the number of each such timer and how often it has expired.
    /// Whether any has.
    pub fn expire(&self, now: u64, mut count: impl FnMut(usize, u64)) -> bool {
        let mut expired = false;
        for (number, cell) in self.timers.iter().enumerate() {
            let Timer { deadline, period } = cell.get();
            if deadline == NEVER || deadline > now {
                continue;
            }
            let (expirations, deadline) = match (now - deadline).checked_div(period) {
                None => (1, NEVER),
                Some(missed) => {
                    let expirations = missed + 1;
                    let ahead = expirations.saturating_mul(period);
                    (expirations, deadline.saturating_add(ahead))
                }
            };
            cell.set(Timer { deadline, period });
            count(number, expirations);
            expired = true;
        }
        expired
    }

    fn timer(&self, number: u32) -> Result<&Cell<Timer>, Error> {
        self.timers.get(number as usize).ok_or(Error::NoSuchDevice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn expire(timers: &Timers, now: u64) -> Vec<(usize, u64)> {
        let mut counted = Vec::new();
        let any = timers.expire(now, |number, expirations| {
            counted.push((number, expirations))
        });
        assert_eq!(any, !counted.is_empty());
        counted
    }

    #[test]
    fn a_late_alarm_neither_loses_nor_shifts_periods() {
        let timers = Timers::default();
        timers.start(0, 1_000, 10_000, 20_000).expect("valid");
        assert_eq!(timers.next(), 11_000);
        assert_eq!(expire(&timers, 10_999), []);
        assert_eq!(expire(&timers, 11_000), [(0, 1)]);
        assert_eq!(timers.next(), 31_000);
        assert_eq!(expire(&timers, 75_000), [(0, 3)]);
        assert_eq!(timers.next(), 91_000);
        assert_eq!(expire(&timers, 1_000_000_091_000), [(0, 50_000_001)]);
        assert_eq!(timers.next(), 1_000_000_111_000);
    }

    #[test]
    fn one_shots_expire_once_and_the_earliest_sets_the_alarm() {
        let timers = Timers::default();
        assert_eq!(timers.next(), NEVER);
        timers.start(3, 100, 0, 0).expect("valid");
        timers.start(5, 100, 50, 0).expect("valid");
        assert_eq!(timers.next(), 100);
        assert_eq!(expire(&timers, 100), [(3, 1)]);
        assert_eq!(timers.next(), 150);
        timers.stop(5).expect("valid");
        assert_eq!(timers.next(), NEVER);
        assert_eq!(expire(&timers, u64::MAX), []);
    }

    #[test]
    fn arguments_are_checked() {
        let timers = Timers::default();
        assert_eq!(timers.start(TIMERS, 0, 0, 0), Err(Error::NoSuchDevice));
        assert_eq!(timers.start(TIMERS, 0, 0, 1), Err(Error::NoSuchDevice));
        assert_eq!(
            timers.start(0, 0, 0, SHORTEST_PERIOD - 1),
            Err(Error::InvalidArgument)
        );
        assert_eq!(timers.start(0, 0, 0, SHORTEST_PERIOD), Ok(()));
        assert_eq!(timers.stop(TIMERS), Err(Error::NoSuchDevice));
        timers
            .start(0, u64::MAX - 1, u64::MAX, u64::MAX)
            .expect("valid");
        assert_eq!(timers.next(), NEVER, "centuries from now");
    }
}
