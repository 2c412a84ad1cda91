// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guest time, and the clock in the vCPU page by which the guest reads it without a call.
//!
//! The page's clock starts invalid, because the counter's rate is not known until some time has passed. A timer anchors
//! it anew every 50 ms against the host's monotonic clock. Where the old anchor's extrapolation is ahead, the clock goes on from there
//! and runs slower until it is right again, so it never steps back.

use std::arch::x86_64::{__cpuid, _rdtsc};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering, compiler_fence};

use paravirt_abi::vcpu::cycles_to_ns;
use paravirt_host_core::page::{ClockFields, Page};

use super::signals;
use super::timers::{PosixTimer, monotonic};

/// Time from the start to the first anchor, in ns: long enough for a rate that is good to some 10^-6.
const FIRST: u64 = 10_000_000;
/// Time between anchors in ns; the interface promises 100 ms, and signals may be late.
const PERIOD: u64 = 50_000_000;
/// Time in ns over which the rate is measured at least, once that much has passed.
const BASELINE: u64 = 1_000_000_000;

/// The counter and the monotonic clock at one moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    tsc: u64,
    ns: u64,
}

impl Sample {
    /// The tightest of a few readings, so that an interruption between the two clocks does no harm.
    fn take() -> Self {
        let read = || {
            let before = tsc();
            let ns = monotonic();
            let width = tsc().wrapping_sub(before);
            let tsc = before.wrapping_add(width / 2);
            (width, Self { tsc, ns })
        };
        (0..4)
            .map(|_| read())
            .min_by_key(|(width, _)| *width)
            .map_or_else(|| read().1, |(_, sample)| sample)
    }
}

/// Guest time.
pub(super) struct Clock {
    start: Sample,
    /// Measuring points for the rate: at least, and at most, [`BASELINE`] old.
    measured: Cell<[Sample; 2]>,
    fields: Cell<Option<ClockFields>>,
    /// Counts changes of the fields, for readers that a signal interrupts.
    generation: AtomicU32,
    timer: Cell<Option<PosixTimer>>,
}

impl Clock {
    /// Guest time starts now.
    pub(super) fn new() -> Self {
        let start = Sample::take();
        Self {
            start,
            measured: Cell::new([start; 2]),
            fields: Cell::new(None),
            generation: AtomicU32::new(0),
            timer: Cell::new(None),
        }
    }

    /// Starts to anchor the page's clock, on this thread.
    pub(super) fn keep(&self) {
        let timer = PosixTimer::new(signals::clock());
        if let Some(timer) = &timer {
            timer.start(FIRST, PERIOD);
        }
        self.timer.set(timer);
    }

    /// Stops to anchor it.
    pub(super) fn release(&self) {
        self.timer.take();
    }

    /// Guest time in ns, by the same clock that the guest reads.
    pub(super) fn now(&self) -> u64 {
        loop {
            let generation = self.generation.load(Ordering::Relaxed);
            compiler_fence(Ordering::SeqCst);
            let fields = self.fields.get();
            let tsc = tsc();
            compiler_fence(Ordering::SeqCst);
            if self.generation.load(Ordering::Relaxed) == generation {
                return match fields {
                    Some(fields) => at(&fields, tsc),
                    None => monotonic() - self.start.ns,
                };
            }
        }
    }

    /// Anchors the clock anew. For the signal handler.
    pub(super) fn anchor(&self, page: Page) {
        let sample = Sample::take();
        let [mut old, mut recent] = self.measured.get();
        if sample.ns - recent.ns > BASELINE {
            (old, recent) = (recent, sample);
            self.measured.set([old, recent]);
        }
        let truth = sample.ns - self.start.ns;
        let shown = self.fields.get().map(|fields| at(&fields, sample.tsc));
        if let Some(fields) = anchored(old, sample, truth, shown) {
            self.fields.set(Some(fields));
            self.generation.fetch_add(1, Ordering::Relaxed);
            page.set_clock(&fields);
        }
    }
}

/// The fields of an anchor at `now`, where guest time is `truth` and the clock has shown `shown`, at the rate since `old`.
fn anchored(old: Sample, now: Sample, truth: u64, shown: Option<u64>) -> Option<ClockFields> {
    let cycles = now.tsc.checked_sub(old.tsc)?;
    let ahead = shown.map_or(0, |shown| shown.saturating_sub(truth));
    // Lose in one period what the clock is ahead, but never stand still.
    let loss = ahead.min(PERIOD / 2);
    let elapsed = u128::from(now.ns - old.ns) * u128::from(PERIOD - loss) / u128::from(PERIOD);
    let mut shift = 0;
    let mut multiplier = (elapsed << 32).checked_div(u128::from(cycles))?;
    while multiplier > u128::from(u32::MAX) {
        multiplier >>= 1;
        shift += 1;
    }
    Some(ClockFields {
        multiplier: multiplier as u32,
        shift,
        base_tsc: now.tsc,
        base_ns: truth + ahead,
    })
}

/// Guest time at a value of the counter, as the interface defines it.
fn at(fields: &ClockFields, tsc: u64) -> u64 {
    let cycles = tsc.saturating_sub(fields.base_tsc);
    fields.base_ns + cycles_to_ns(cycles, fields.shift, fields.multiplier)
}

fn tsc() -> u64 {
    // SAFETY: every x86-64 processor has the counter.
    unsafe { _rdtsc() }
}

/// Whether the counter runs at one rate on all processors: the kernel uses it for its own clock, or the processor says that it
/// neither stops nor changes its rate.
pub(super) fn usable() -> bool {
    const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    // Advanced power management information (AMD APM volume 3, E.4.6): invariant TSC.
    const LEAF: u32 = 0x8000_0007;
    const INVARIANT: u32 = 1 << 8;
    std::fs::read_to_string(SOURCE).is_ok_and(|source| source.trim() == "tsc")
        || __cpuid(0x8000_0000).eax >= LEAF && __cpuid(LEAF).edx & INVARIANT != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIGAHERTZ_3: fn(u64) -> Sample = |ns| Sample { tsc: 3 * ns, ns };

    #[test]
    fn the_rate_is_that_of_the_counter() {
        let fields = anchored(GIGAHERTZ_3(0), GIGAHERTZ_3(10_000_000), 10_000_000, None)
            .expect("time has passed");
        assert_eq!(at(&fields, 30_000_000), 10_000_000);
        let later = at(&fields, 330_000_000);
        assert!(later.abs_diff(110_000_000) < 100, "{later}");
    }

    #[test]
    fn a_slow_counter_needs_a_shift() {
        let slow = |ns| Sample { tsc: ns / 8, ns };
        let fields = anchored(slow(0), slow(8_000_000), 0, None).expect("time has passed");
        assert!(fields.shift > 0);
        assert!(at(&fields, 2_000_000).abs_diff(8_000_000) < 10);
    }

    #[test]
    fn a_clock_that_is_ahead_waits_without_stepping_back() {
        let ahead = 10_000_000 + 1_000;
        let fields = anchored(
            GIGAHERTZ_3(0),
            GIGAHERTZ_3(10_000_000),
            10_000_000,
            Some(ahead),
        )
        .expect("time has passed");
        assert_eq!(at(&fields, 30_000_000), ahead);
        assert_eq!(
            at(&fields, 29_000_000),
            ahead,
            "an older counter shows no older time"
        );
        let caught_up = at(&fields, 3 * (10_000_000 + PERIOD));
        assert!(caught_up.abs_diff(10_000_000 + PERIOD) < 100, "{caught_up}");
    }

    #[test]
    fn a_counter_that_stands_is_not_used() {
        let still = Sample { tsc: 5, ns: 10 };
        assert_eq!(anchored(still, Sample { tsc: 5, ns: 20 }, 10, None), None);
    }
}
