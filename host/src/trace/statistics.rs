// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a trace says in numbers.

use std::collections::BTreeMap;

use super::event::Delivery;
use super::read::{Recording, Slice};

/// Times in ns, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution(Vec<u64>);

impl FromIterator<u64> for Distribution {
    fn from_iter<T: IntoIterator<Item = u64>>(times: T) -> Self {
        let mut times: Vec<u64> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }
}

impl Distribution {
    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// The least time that a share of them, from 0 to 1, does not exceed; `None` if there are none.
    #[must_use]
    pub fn percentile(&self, share: f64) -> Option<u64> {
        let last = self.0.len().checked_sub(1)?;
        let rank = (share.clamp(0.0, 1.0) * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.saturating_sub(1).min(last)).copied()
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        self.0.last().copied()
    }

    /// All together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().fold(0, |sum, time| sum.saturating_add(*time))
    }

    /// The times, the shortest first.
    #[must_use]
    pub fn times(&self) -> &[u64] {
        &self.0
    }
}

impl Recording {
    /// From when a timer was due to when its interrupt has come to the guest.
    #[must_use]
    pub fn tick_latency(&self) -> Distribution {
        (self.interrupts.iter())
            .filter_map(|interrupt| Some(interrupt.at.saturating_sub(interrupt.due?)))
            .collect()
    }

    /// From when a timer was due to when the host has seen that it has expired.
    #[must_use]
    pub fn lateness(&self) -> Distribution {
        (self.ticks.iter())
            .map(|tick| tick.at.saturating_sub(tick.due))
            .collect()
    }

    /// From when a line was raised to when its interrupt has come to the guest, in that way.
    #[must_use]
    pub fn upcall_latency(&self, delivery: Delivery) -> Distribution {
        (self.interrupts.iter())
            .filter(|interrupt| interrupt.delivery == delivery)
            .filter_map(|interrupt| Some(interrupt.at.saturating_sub(interrupt.raised?)))
            .collect()
    }

    /// How long calls took, by function.
    #[must_use]
    pub fn by_function(&self) -> BTreeMap<&str, Distribution> {
        self.by_name(&self.calls)
    }

    /// How long threads ran at a time, by thread.
    #[must_use]
    pub fn by_thread(&self) -> BTreeMap<&str, Distribution> {
        self.by_name(&self.threads)
    }

    fn by_name(&self, slices: &[Slice]) -> BTreeMap<&str, Distribution> {
        let mut times: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for slice in slices {
            let name = self.names.get(slice.name).map_or("?", String::as_str);
            times.entry(name).or_default().push(slice.end - slice.start);
        }
        (times.into_iter())
            .map(|(name, times)| (name, times.into_iter().collect()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_there_are() {
        let times: Distribution = (1..=100).rev().collect();
        let at = |share| times.percentile(share);
        assert_eq!(at(0.5), Some(50));
        assert_eq!(at(0.9), Some(90));
        assert_eq!(at(0.99), Some(99));
        assert_eq!(at(0.0), Some(1));
        assert_eq!(at(1.0), times.max());
        assert_eq!((times.count(), times.total(), times.max()), (100, 5050, Some(100)));
        let one: Distribution = [7].into_iter().collect();
        assert_eq!(one.percentile(0.99), Some(7));
        let none = Distribution::default();
        assert_eq!((none.percentile(0.5), none.max(), none.total()), (None, None, 0));
    }
}
