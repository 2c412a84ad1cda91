// SPDX-License-Identifier: MIT OR Apache-2.0
//! Memory for the latest events, all of it there before the guest starts.
//!
//! One thread writes, and signal handlers that interrupt it: each takes a place before it fills it, so a handler's
//! event has a place of its own, behind that of the event which it interrupts.

use std::sync::atomic::{AtomicU64, Ordering};

use super::event::{Event, WORDS, Words};

/// The latest events.
#[derive(Debug)]
pub(crate) struct Ring {
    /// As many as a power of two.
    places: Box<[[AtomicU64; WORDS]]>,
    /// Events so far.
    count: AtomicU64,
}

/// Bytes of an event in memory.
pub(crate) const EVENT_SIZE: usize = size_of::<Words>();

impl Ring {
    /// A ring for at least one event, and for as many as a power of two: at most what fits into so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let wanted = (bytes / EVENT_SIZE).max(1);
        let count = 1 << wanted.ilog2();
        // Written to now: memory that the system brings in only at the first use would take its time from the guest.
        let place = || [const { AtomicU64::new(u64::MAX) }; WORDS];
        Self {
            places: (0..count).map(|_| place()).collect(),
            count: AtomicU64::new(0),
        }
    }

    /// Adds an event, in the place of the oldest if there is no other. At any instruction.
    #[inline]
    pub(crate) fn push(&self, event: Event) {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let mask = self.places.len() as u64 - 1;
        let Some(place) = self.places.get((number & mask) as usize) else {
            return;
        };
        for (word, value) in place.iter().zip(event.words()) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// How many events have had to go for later ones.
    pub(crate) fn lost(&self) -> u64 {
        let count = self.count.load(Ordering::Relaxed);
        count.saturating_sub(self.places.len() as u64)
    }

    /// The events that are there, the oldest first.
    pub(crate) fn events(&self) -> Vec<Event> {
        let count = self.count.load(Ordering::Relaxed);
        let mask = self.places.len() as u64 - 1;
        (self.lost()..count)
            .filter_map(|number| self.places.get((number & mask) as usize))
            .filter_map(|place| Event::from_words(place.each_ref().map(|word| word.load(Ordering::Relaxed))))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::event::Stamp;

    fn event(number: u64) -> Event {
        let at = Stamp {
            guest: number,
            host: number + 1,
        };
        Event::Tick {
            at,
            timer: 3,
            due: number,
            expirations: 1,
        }
    }

    #[test]
    fn the_latest_stay_and_the_others_are_counted() {
        let ring = Ring::new(5 * EVENT_SIZE);
        assert_eq!(ring.events(), []);
        for number in 0..11 {
            ring.push(event(number));
            let first = (number + 1).saturating_sub(4);
            assert_eq!(ring.lost(), first);
            let expected: Vec<_> = (first..=number).map(event).collect();
            assert_eq!(ring.events(), expected);
        }
    }

    #[test]
    fn there_is_room_for_one_event_at_least() {
        let ring = Ring::new(0);
        ring.push(event(1));
        assert_eq!(ring.events(), [event(1)]);
    }
}
