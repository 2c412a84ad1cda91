// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guest time that goes on by a step at each call, and by nothing else but what it skips.

use std::cell::Cell;

use super::Steps;

/// Times in ns. What changes it runs as host code, or as a handler that has interrupted guest code.
pub(in crate::process) struct StepClock {
    steps: Steps,
    now: Cell<u64>,
    /// How many steps were made.
    made: Cell<u64>,
    random: Cell<u64>,
}

impl StepClock {
    pub(super) fn new(steps: Steps) -> Self {
        Self {
            steps,
            now: Cell::new(0),
            made: Cell::new(0),
            random: Cell::new(steps.seed().unwrap_or(0)),
        }
    }

    pub(in crate::process) fn now(&self) -> u64 {
        self.now.get()
    }

    /// Number of steps that were made.
    pub(in crate::process) fn made(&self) -> u64 {
        self.made.get()
    }

    pub(in crate::process) fn step(&self) {
        let ns = match self.steps.seed() {
            None => self.steps.ns(),
            Some(_) => 1 + self.random() % (2 * self.steps.ns()),
        };
        self.made.set(self.made.get() + 1);
        self.now.set(self.now.get().saturating_add(ns));
    }

    /// How many instructions later than it could be the guest is interrupted next: 0 without a seed.
    pub(in crate::process) fn delay(&self) -> u32 {
        /// Enough to leave the layer's own code and many a function, and not long to walk.
        const LONGEST: u64 = 255;
        match self.steps.seed() {
            None => 0,
            Some(_) => (self.random() % (LONGEST + 1)) as u32,
        }
    }

    /// Goes on from that time, unless it has passed. Returns by how much.
    pub(super) fn skip_to(&self, time: u64) -> u64 {
        let rest = time.saturating_sub(self.now.get());
        self.now.set(self.now.get() + rest);
        rest
    }

    /// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
    fn random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(steps: Steps) -> Vec<u64> {
        let clock = StepClock::new(steps);
        let time = |_| {
            clock.step();
            clock.now()
        };
        (0..1000).map(time).collect()
    }

    #[test]
    fn steps_are_even_or_as_the_seed_has_them() {
        let steps = Steps::new(10).unwrap();
        assert!(times(steps).iter().copied().eq((1..=1000).map(|step| 10 * step)));
        let seeded = |seed| times(steps.with_seed(seed));
        assert_eq!(seeded(1), seeded(1));
        assert_ne!(seeded(1), seeded(2));
        let lengths: Vec<u64> = seeded(0).windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(lengths.iter().all(|length| (1..=20).contains(length)), "{lengths:?}");
        assert!((1..=20).all(|length| lengths.contains(&length)), "{lengths:?}");
    }

    #[test]
    fn time_is_skipped_ahead_only() {
        let clock = StepClock::new(Steps::new(1).unwrap());
        clock.skip_to(100);
        clock.skip_to(50);
        assert_eq!((clock.now(), clock.made()), (100, 0));
        clock.skip_to(u64::MAX);
        clock.step();
        assert_eq!(clock.now(), u64::MAX);
    }
}
