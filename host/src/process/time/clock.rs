// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guest time.

use std::cell::Cell;

use paravirt_host_core::clock;
use paravirt_host_core::page::Page;

use super::counter::CounterClock;
use super::processor::ProcessorClock;
use super::steps::StepClock;
use super::{Ratio, Slowdown, Time, monotonic, wall};

/// The wall clock when guest time is 0, where runs are to be the same: 2026-01-01 00:00:00 UTC, as Unix time in ns.
const EPOCH: u64 = 1_767_225_600 * super::NS_PER_SECOND;

/// Guest time. On the vCPU's thread; a signal handler may interrupt whatever reads it.
pub(in crate::process) struct Clock {
    source: Source,
    /// The wall clock when guest time was 0, as Unix time in ns.
    epoch: u64,
}

enum Source {
    Counter(CounterClock),
    /// A ratio of the monotonic clock's time since then, in ns.
    Ratio(Ratio, Cell<u64>),
    Processor(ProcessorClock),
    Steps(StepClock),
}

use Source::{Counter, Processor, Steps};

impl Clock {
    /// Of a guest on this thread. `pausing`: it will stand at times, see [`stood`](Self::stood).
    pub(in crate::process) fn new(time: Time, pausing: bool) -> Self {
        let source = match time {
            Time::Real if pausing => Source::Ratio(Ratio::ONE, Cell::new(monotonic())),
            Time::Real => Counter(CounterClock::new()),
            Time::Ratio(ratio) => Source::Ratio(ratio, Cell::new(monotonic())),
            Time::Fast => Processor(ProcessorClock::new(Slowdown::NONE)),
            Time::Slowed(slowdown) => Processor(ProcessorClock::new(slowdown)),
            Time::Steps(steps) => Steps(StepClock::new(steps)),
        };
        let epoch = match source {
            Steps(_) => EPOCH,
            _ => wall(),
        };
        Self { source, epoch }
    }

    /// The guest starts now, and with it its time.
    pub(in crate::process) fn begin(&self) {
        match &self.source {
            Counter(clock) => clock.begin(),
            Steps(_) => {}
            Source::Ratio(_, start) => start.set(monotonic()),
            Processor(clock) => clock.begin(),
        }
    }

    /// Guest time in ns; where the guest reads the page's clock, the same.
    pub(in crate::process) fn now(&self) -> u64 {
        match &self.source {
            Counter(clock) => clock.now(),
            Source::Ratio(ratio, start) => ratio.to_guest(monotonic().saturating_sub(start.get())),
            Processor(clock) => clock.now(),
            Steps(clock) => clock.now(),
        }
    }

    /// Guest time in ns, for the guest, which is interrupted at `limit`, and whether it has come there. Where nobody waits
    /// for a clock, that is punctual: time stands until the guest is interrupted.
    pub(in crate::process) fn up_to(&self, limit: u64) -> (u64, bool) {
        match &self.source {
            Processor(clock) => clock.up_to(limit),
            _ => (self.now(), false),
        }
    }

    /// The guest's wall clock at that guest time: Unix time in ns. In real time it is the host's, however that is set.
    pub(in crate::process) fn wall(&self, now: u64) -> u64 {
        match self.source {
            Counter(_) => wall(),
            _ => self.epoch.saturating_add(now),
        }
    }

    /// When on the monotonic clock that guest time may have come, at the earliest, in ns; `None`: not by waiting.
    pub(in crate::process) fn host_time(&self, time: u64) -> Option<u64> {
        let now = monotonic();
        let rest = match &self.source {
            Counter(clock) => time.saturating_sub(clock.now()),
            Source::Ratio(ratio, _) => ratio.to_host(time.saturating_sub(self.now())),
            Processor(clock) => clock.rest(time, now),
            Steps(_) => return None,
        };
        Some(now.saturating_add(rest))
    }

    /// Returns whether guest time is the host's.
    pub(in crate::process) const fn is_real(&self) -> bool {
        matches!(self.source, Counter(_))
    }

    /// Returns whether time need not be waited for while the guest idles.
    pub(in crate::process) const fn skips(&self) -> bool {
        matches!(self.source, Processor(_) | Steps(_))
    }

    /// If time need not be waited for: goes on from `time`, unless that has passed. Returns by how much in ns.
    pub(in crate::process) fn skip_to(&self, time: u64) -> u64 {
        match &self.source {
            Counter(_) | Source::Ratio(..) => 0,
            Processor(clock) => clock.skip_to(time),
            Steps(clock) => clock.skip_to(time),
        }
    }

    /// A guest that was to stand has stood for `ns`.
    pub(in crate::process) fn stood(&self, ns: u64) {
        if let Source::Ratio(_, start) = &self.source {
            start.set(start.get().saturating_add(ns));
        }
    }

    /// The clock that calls make go on, if it is one.
    pub(in crate::process) const fn steps(&self) -> Option<&StepClock> {
        match &self.source {
            Steps(clock) => Some(clock),
            _ => None,
        }
    }

    /// Time in ns from now to the next sample; `None`: the page's clock is not kept.
    pub(in crate::process) fn pause(&self) -> Option<u64> {
        match &self.source {
            Counter(clock) => clock.pause(),
            _ => None,
        }
    }

    /// Anchors the page's clock anew. For the signal handler.
    pub(in crate::process) fn sample(&self, page: Page) {
        if let Counter(clock) = &self.source {
            clock.sample(page);
        }
    }

    /// How often guest time has stepped ahead until now.
    pub(in crate::process) fn jumps(&self) -> clock::Steps {
        match &self.source {
            Counter(clock) => clock.steps(),
            _ => clock::Steps::default(),
        }
    }
}
