// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guest time by a time-stamp counter: at which rate it runs, and what becomes of guest time when counter and clock
//! drift apart.
//!
//! The host's clock is right; the counter is what a guest reads without a call ([`ClockFields`]). From samples of both,
//! an [`Anchor`] says what the fields are to be. Guest time never steps back, so what the counter has shown holds:
//!
//! * a little ahead of the clock (rounding, a clock that is being adjusted): it runs slower until it is right again,
//!   for a period;
//! * far ahead (the machine was suspended, and the counter went on): the step is kept, from then on guest time is ahead
//!   by that;
//! * behind (the counter was stopped or set back): guest time goes on from where the clock is.
//!
//! A counter whose rate is another one than before is measured anew. One that does not agree with the clock time after
//! time is no clock, and given up.
#![forbid(unsafe_code)]

use paravirt_abi::vcpu::cycles_to_ns;

/// Time in ns from the start to the first sample and on to the second: long enough for a rate that is good to some
/// 10^-6.
const FIRST: u64 = 10_000_000;
/// Time in ns between samples; the interface promises 100 ms, and whoever takes them may be late.
const PERIOD: u64 = 50_000_000;

/// Time in ns over which the rate is measured at least, once that much has passed.
const BASELINE: u64 = 1_000_000_000;
/// Guest time that is ahead by as many ns or less is made up for by running slower.
const SLEW: u64 = PERIOD / 10;
/// By which part of the time that has passed counter and clock may disagree: clocks are adjusted by up to 1/2000.
const TOLERANCE: u64 = 1024;
/// What rounding and unsteady clocks may add to that, in ns.
const ROUNDING: u64 = 1_000;
/// As many samples in a row in which counter and clock disagree, and the counter is given up.
const DOUBT_LIMIT: u32 = 20;

/// The fields of the vCPU page's clock, see [`paravirt_abi::vcpu::Clock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockFields {
    /// ns per (shifted) cycle of the counter, as a fraction of 2^32.
    pub multiplier: u32,
    /// Shift of the counter's difference, -31 to 31.
    pub shift: i32,
    /// The counter at the anchor.
    pub base_tsc: u64,
    /// Guest time at the anchor in ns.
    pub base_ns: u64,
}

impl ClockFields {
    /// Guest time in ns at that value of the counter, as the interface defines it.
    #[must_use]
    pub fn at(&self, counter: u64) -> u64 {
        let cycles = counter.saturating_sub(self.base_tsc);
        self.base_ns
            .wrapping_add(cycles_to_ns(cycles, self.shift, self.multiplier))
    }
}

/// Counter and clock at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The counter.
    pub counter: u64,
    /// The clock in ns, read just before the counter.
    pub before: u64,
    /// The clock in ns, read just after it.
    pub after: u64,
}

impl Sample {
    /// How uncertain the moment is, in ns.
    #[must_use]
    pub const fn width(&self) -> u64 {
        self.after.saturating_sub(self.before)
    }

    /// The clock in ns when the counter was read, to within half the width.
    const fn middle(&self) -> u64 {
        self.before + self.width() / 2
    }
}

/// Steps of guest time by more than can be made up for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// How many there were.
    pub count: u64,
    /// How far guest time has stepped ahead in all, in ns.
    pub ns: u64,
}

impl Steps {
    const fn add(&mut self, ns: u64) {
        self.count += 1;
        self.ns = self.ns.saturating_add(ns);
    }
}

/// ns per cycle, as in [`ClockFields`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    multiplier: u32,
    shift: i32,
}

impl Rate {
    /// `ns` in `cycles`. `None` if the counter has stood, or fields cannot say it.
    fn new(cycles: u64, ns: u64) -> Option<Self> {
        let mut multiplier = (u128::from(ns) << 32).checked_div(cycles.into())?;
        let mut shift = 0;
        while multiplier > u128::from(u32::MAX) {
            multiplier >>= 1;
            shift += 1;
        }
        (multiplier > 0 && shift < 32).then_some(Self {
            multiplier: multiplier as u32,
            shift,
        })
    }

    fn ns(self, cycles: u64) -> u64 {
        cycles_to_ns(cycles, self.shift, self.multiplier)
    }

    /// The multiplier with which guest time that is ahead by `lead` ns is right again after a period. It never stands
    /// still.
    fn slower(self, lead: i64) -> u32 {
        let loss = (lead.max(0) as u64).min(PERIOD / 2);
        (u64::from(self.multiplier) * (PERIOD - loss) / PERIOD) as u32
    }
}

/// Guest time against samples of counter and clock.
#[derive(Clone, Copy, Debug)]
pub struct Anchor {
    /// The clock when guest time was 0.
    start: u64,
    /// How far guest time has stepped ahead of the clock for good.
    ahead: u64,
    steps: Steps,
    /// From where the rate is measured: at least [`BASELINE`] ago, once that much has passed, and the next such moment.
    measured: [Sample; 2],
    last: Sample,
    /// The rate as measured since counter and clock have last disagreed.
    measurement: Option<Rate>,
    /// The last measurement that the next sample has confirmed.
    rate: Option<Rate>,
    /// Disagreements since the last agreement.
    doubts: u32,
    fields: Option<ClockFields>,
}

impl Anchor {
    /// Guest time is 0 at `start`.
    #[must_use]
    pub const fn new(start: Sample) -> Self {
        Self {
            start: start.before,
            ahead: 0,
            steps: Steps { count: 0, ns: 0 },
            measured: [start; 2],
            last: start,
            measurement: None,
            rate: None,
            doubts: 0,
            fields: None,
        }
    }

    /// Guest time in ns where the counter is not used and the clock shows `ns`.
    #[must_use]
    pub const fn time(&self, ns: u64) -> u64 {
        ns.saturating_sub(self.start).wrapping_add(self.ahead)
    }

    /// What the page's clock is to show. `None`: the counter's rate is not known yet, or it is no clock.
    #[must_use]
    pub const fn fields(&self) -> Option<ClockFields> {
        self.fields
    }

    /// The steps until now.
    #[must_use]
    pub const fn steps(&self) -> Steps {
        self.steps
    }

    /// Time in ns from now to the next sample.
    #[must_use]
    pub const fn pause(&self) -> u64 {
        match self.fields {
            Some(_) => PERIOD,
            None => FIRST,
        }
    }

    /// Anchors guest time anew. Samples come in the order of the clock, each [`pause`](Self::pause) after the one
    /// before; where some are late or left out, guest time is right all the same.
    pub fn sample(&mut self, now: Sample) {
        if self.doubts >= DOUBT_LIMIT {
            return;
        }
        match self.agrees(&now) {
            Some(true) => {
                self.doubts = 0;
                self.measure(&now);
                self.rate = self.measurement;
            }
            Some(false) => {
                self.doubts += 1;
                self.measured = [now; 2];
                self.measurement = None;
            }
            None => self.measure(&now),
        }
        let lead = self.correct(&now);
        self.last = now;
        let rate = self.rate.filter(|_| self.doubts < DOUBT_LIMIT);
        let Some(rate) = rate else {
            if self.fields.take().is_some() {
                // The guest has seen that.
                self.ahead = self.ahead.wrapping_add(lead.max(0) as u64);
            }
            return;
        };
        self.fields = Some(ClockFields {
            multiplier: rate.slower(lead),
            shift: rate.shift,
            base_tsc: now.counter,
            base_ns: self.time(now.after).wrapping_add_signed(lead),
        });
    }

    /// Returns whether the counter has gone on as the clock has; `None` if its rate is not known.
    fn agrees(&self, now: &Sample) -> Option<bool> {
        let rate = self.measurement?;
        let Some(cycles) = now.counter.checked_sub(self.last.counter) else {
            return Some(false);
        };
        let least = now.before.saturating_sub(self.last.after);
        let most = now.after.saturating_sub(self.last.before);
        let slack = most / TOLERANCE + ROUNDING;
        let range = least.saturating_sub(slack)..=most.saturating_add(slack);
        Some(range.contains(&rate.ns(cycles)))
    }

    /// Measures the rate, over the last second or two, or since counter and clock have disagreed.
    fn measure(&mut self, now: &Sample) {
        let [old, recent] = self.measured;
        let elapsed = now.middle().saturating_sub(old.middle());
        if self.measurement.is_none() && (now.width() < old.width() / 2 || now.counter < old.counter) {
            // The one to begin with is of no use, or this is a much better one.
            self.measured = [*now; 2];
            return;
        }
        let uncertain = now.width().saturating_add(old.width());
        if elapsed < FIRST / 2 || uncertain > elapsed / TOLERANCE {
            return;
        }
        let rate = now.counter.checked_sub(old.counter);
        if let Some(rate) = rate.and_then(|cycles| Rate::new(cycles, elapsed)) {
            self.measurement = Some(rate);
        }
        if now.middle().saturating_sub(recent.middle()) > BASELINE {
            self.measured = [recent, *now];
        }
    }

    /// Keeps the step, or counts it, if there was one. By how many ns guest time is then ahead of the clock at the end
    /// of the sample: where the guest has seen a time within the sample, it goes on from there.
    fn correct(&mut self, now: &Sample) -> i64 {
        let Some(fields) = self.fields else {
            // The guest was told the clock, at the latest just now.
            return 0;
        };
        let (least, most) = (self.time(now.before), self.time(now.after));
        let shown = fields.at(now.counter);
        let seen = if now.counter < self.last.counter {
            // Set back, after it may have gone on for as long as the clock has.
            let elapsed = now.after.saturating_sub(self.last.before);
            shown.max(fields.base_ns.wrapping_add(elapsed))
        } else {
            shown
        };
        let (behind, ahead) = (least.saturating_sub(shown), seen.saturating_sub(most));
        if behind > SLEW {
            self.steps.add(behind);
        }
        if ahead > SLEW {
            self.steps.add(ahead);
            self.ahead = self.ahead.wrapping_add(ahead);
            return 0;
        }
        seen.max(least).wrapping_sub(most) as i64
    }
}
