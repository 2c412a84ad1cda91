// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens to a guest, and in how many words that is noted.
//!
//! One thread writes, and signal handlers that interrupt it: each takes a place before it fills it, so a handler's
//! event has a place of its own, behind that of the event which it interrupts.

use std::collections::TryReserveError;
use std::sync::atomic::{AtomicU64, Ordering};

/// A moment, in ns since the guest's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// In guest time.
    pub guest: u64,
    /// By the host's monotonic clock; in real time that is the same.
    pub host: u64,
}

/// How a guest has come to know of a pending line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// By an upcall at the instruction that a signal has interrupted.
    Signal,
    /// By an upcall at the end of a call.
    Call,
    /// When it has woken up: a guest takes a line itself that has ended its idling.
    Wakeup,
    /// It has taken the line itself when it turned interrupts on. The moment is that at which the host has seen it, so
    /// that it may have been earlier.
    Itself,
}

impl Delivery {
    const ALL: [Self; 4] = [Self::Signal, Self::Call, Self::Wakeup, Self::Itself];

    /// Its name in a trace.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Call => "call",
            Self::Wakeup => "wakeup",
            Self::Itself => "itself",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|delivery| delivery.name() == name)
    }
}

/// Which way bytes of the console go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The guest writes.
    Out,
    /// The guest reads.
    In,
}

/// Bytes of console text that are kept with an event.
pub const TEXT: usize = 16;

/// Something that has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A call of a host function.
    Call {
        /// Its index in [`Trace::functions`](super::Trace::functions).
        function: u32,
        /// When it began.
        start: Stamp,
        /// When it ended.
        end: Stamp,
    },
    /// A timer has expired.
    Tick {
        /// When the host has seen it.
        at: Stamp,
        /// Its number.
        timer: u32,
        /// Guest time in ns at which it was due.
        due: u64,
        /// How often since it was seen last: more than once if the host was late by a period.
        expirations: u64,
    },
    /// Pending lines have come to the guest.
    Interrupt {
        /// When.
        at: Stamp,
        /// The lines, one bit each, if they are known.
        lines: u32,
        /// How.
        delivery: Delivery,
        /// Guest time in ns at which the first of them was raised, if the host has seen that.
        raised: Option<u64>,
        /// Guest time in ns at which the first timer of those that raised a line was due, if any did.
        due: Option<u64>,
    },
    /// The guest has written to its console or read from it.
    Console {
        /// When.
        at: Stamp,
        /// Which way.
        direction: Direction,
        /// How many bytes.
        bytes: u64,
        /// The first of them, and zeros.
        text: [u8; TEXT],
    },
    /// A thread of the guest's operating system begins to run.
    Switch {
        /// When.
        at: Stamp,
        /// Its number in that system.
        thread: u32,
    },
    /// The guest's operating system begins to handle interrupts, or has done so.
    Handler {
        /// When.
        at: Stamp,
        /// Whether it begins.
        begins: bool,
    },
}

/// Words of an event in memory.
pub(crate) const WORDS: usize = 6;
/// An event in memory: kind, a small number of it, and what else it is.
pub(crate) type Words = [u64; WORDS];

const NONE: u64 = u64::MAX;

const fn or_none(time: Option<u64>) -> u64 {
    match time {
        Some(time) => time,
        None => NONE,
    }
}

impl Event {
    pub(crate) const fn words(self) -> Words {
        const fn head(kind: u64, id: u32) -> u64 {
            kind | (id as u64) << 32
        }
        match self {
            Self::Call { function, start, end } => [head(0, function), start.guest, start.host, end.guest, end.host, 0],
            Self::Tick {
                at,
                timer,
                due,
                expirations,
            } => [head(1, timer), at.guest, at.host, due, expirations, 0],
            Self::Interrupt {
                at,
                lines,
                delivery,
                raised,
                due,
            } => {
                let (raised, due) = (or_none(raised), or_none(due));
                [head(2, lines), at.guest, at.host, raised, due, delivery as u64]
            }
            Self::Console {
                at,
                direction,
                bytes,
                text,
            } => {
                let text = u128::from_le_bytes(text);
                // No more than a guest's address space.
                let bytes = if bytes > u32::MAX as u64 {
                    u32::MAX
                } else {
                    bytes as u32
                };
                let kind = 3 + direction as u64;
                [
                    head(kind, bytes),
                    at.guest,
                    at.host,
                    text as u64,
                    (text >> 64) as u64,
                    0,
                ]
            }
            Self::Switch { at, thread } => [head(5, thread), at.guest, at.host, 0, 0, 0],
            Self::Handler { at, begins } => [head(6, begins as u32), at.guest, at.host, 0, 0, 0],
        }
    }

    /// The reverse; `None` for what is no event.
    pub(crate) fn from_words([head, guest, host, a, b, c]: Words) -> Option<Self> {
        let (kind, id) = (head as u32, (head >> 32) as u32);
        let at = Stamp { guest, host };
        Some(match kind {
            0 => Self::Call {
                function: id,
                start: at,
                end: Stamp { guest: a, host: b },
            },
            1 => Self::Tick {
                at,
                timer: id,
                due: a,
                expirations: b,
            },
            2 => Self::Interrupt {
                at,
                lines: id,
                delivery: *Delivery::ALL.get(usize::try_from(c).ok()?)?,
                raised: (a != NONE).then_some(a),
                due: (b != NONE).then_some(b),
            },
            3 | 4 => Self::Console {
                at,
                direction: if kind == 3 { Direction::Out } else { Direction::In },
                bytes: id.into(),
                text: (u128::from(a) | u128::from(b) << 64).to_le_bytes(),
            },
            5 => Self::Switch { at, thread: id },
            6 => Self::Handler { at, begins: id != 0 },
            _ => return None,
        })
    }

    /// When it began.
    #[must_use]
    pub const fn start(&self) -> Stamp {
        match *self {
            Self::Call { start, .. } => start,
            Self::Tick { at, .. }
            | Self::Interrupt { at, .. }
            | Self::Console { at, .. }
            | Self::Switch { at, .. }
            | Self::Handler { at, .. } => at,
        }
    }
}

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
    ///
    /// # Errors
    /// There is no such memory.
    pub(crate) fn new(bytes: usize) -> Result<Self, TryReserveError> {
        let wanted = (bytes / EVENT_SIZE).max(1);
        let count = 1 << wanted.ilog2();
        // Written to now: memory that the system brings in only at the first use would take its time from the guest.
        let place = || [const { AtomicU64::new(u64::MAX) }; WORDS];
        let mut places = Vec::new();
        places.try_reserve_exact(count)?;
        places.resize_with(count, place);
        Ok(Self {
            places: places.into(),
            count: AtomicU64::new(0),
        })
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

    #[test]
    fn an_event_comes_back_from_its_words() {
        let at = Stamp { guest: 5, host: 6 };
        let text = *b"Hello from a par";
        let mut events = vec![
            Event::Call {
                function: u32::MAX,
                start: at,
                end: Stamp {
                    guest: 7,
                    host: u64::MAX,
                },
            },
            Event::Tick {
                at,
                timer: 7,
                due: 4,
                expirations: 2,
            },
            Event::Switch {
                at,
                thread: 0x0a01_0002,
            },
            Event::Handler { at, begins: true },
            Event::Handler { at, begins: false },
        ];
        for direction in [Direction::Out, Direction::In] {
            let bytes = 40;
            events.push(Event::Console {
                at,
                direction,
                bytes,
                text,
            });
        }
        for delivery in Delivery::ALL {
            for (raised, due) in [(None, Some(0)), (Some(3), None)] {
                let lines = 1 << 30;
                events.push(Event::Interrupt {
                    at,
                    lines,
                    delivery,
                    raised,
                    due,
                });
            }
            assert_eq!(Delivery::of(delivery.name()), Some(delivery));
        }
        for event in events {
            assert_eq!(Event::from_words(event.words()), Some(event));
        }
        assert_eq!(Event::from_words([7, 0, 0, 0, 0, 0]), None);
        assert_eq!(Event::from_words([2, 0, 0, 0, 0, 4]), None);
    }

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
        let ring = Ring::new(5 * EVENT_SIZE).expect("memory");
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
        let ring = Ring::new(0).expect("memory");
        ring.push(event(1));
        assert_eq!(ring.events(), [event(1)]);
    }
}
