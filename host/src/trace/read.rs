// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading a trace that was written here. Nobody vouches for the file: it is read once, from beginning to end, and
//! takes no more memory than it has bytes, a few times over.

use std::collections::{BTreeMap, HashMap};

use prost::Message;
use prost::encoding::decode_varint;

use super::event::Delivery;
use super::messages::{EventType, Packet, TrackEvent};
use super::tracks::{LOST, Note, Track};

/// Why a file is no trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is not in Perfetto's format, from that byte on.
    #[error("not a trace: from byte {0} on it is not as Perfetto has it; `pvhost run --trace` writes one")]
    Format(usize),
    /// It is another program's.
    #[error("a trace of another program; `pvhost run --trace` writes one")]
    Other,
}

/// Something that took its time. Times are guest time in ns, and `start` is no later than `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Its name, an index in [`Recording::names`].
    pub name: usize,
    /// When it began.
    pub start: u64,
    /// When it ended.
    pub end: u64,
}

/// A timer that has expired. Times are guest time in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Its number.
    pub timer: u32,
    /// When that was due.
    pub due: u64,
    /// When the host has seen it.
    pub at: u64,
}

/// An interrupt that has come to the guest. Times are guest time in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupt {
    /// When the timer that was behind it was due, if one was.
    pub due: Option<u64>,
    /// When its line was raised, if the host has seen that.
    pub raised: Option<u64>,
    /// When it came.
    pub at: u64,
    /// How.
    pub delivery: Delivery,
}

/// What is in a trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// The guest's name.
    pub guest: String,
    /// How its time passed.
    pub time: String,
    /// Events that were lost before those that are there.
    pub lost: u64,
    /// Names of functions and threads.
    pub names: Vec<String>,
    /// Calls of host functions, but those in which the guest idles.
    pub calls: Vec<Slice>,
    /// When the guest was idle.
    pub idle: Vec<Slice>,
    /// When it handled interrupts, if its operating system says that.
    pub handlers: Vec<Slice>,
    /// Which thread ran when.
    pub threads: Vec<Slice>,
    /// Timers that have expired.
    pub ticks: Vec<Tick>,
    /// Interrupts.
    pub interrupts: Vec<Interrupt>,
    /// From the first event to the last, in ns of guest time.
    pub span: (u64, u64),
}

impl Recording {
    /// Reads a trace.
    ///
    /// # Errors
    /// It is none that was written here.
    pub fn read(file: &[u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::default();
        let mut rest = file;
        while !rest.is_empty() {
            let at = file.len() - rest.len();
            let packet = next(&mut rest).ok_or(ReadError::Format(at))?;
            reader.take(packet);
        }
        reader.finish()
    }
}

/// The next packet: field 1, with a length.
fn next(rest: &mut &[u8]) -> Option<Packet> {
    const FIELD: u64 = 1 << 3 | 2;
    if decode_varint(rest).ok()? != FIELD {
        return None;
    }
    let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
    let (packet, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Packet::decode(packet).ok()
}

/// What is known until now.
#[derive(Default)]
struct Reader {
    recording: Recording,
    is_ours: bool,
    /// Indices of names, by the numbers that stand for them.
    names: HashMap<u64, usize>,
    /// What has begun and not ended, by track.
    open: HashMap<u64, Vec<Open>>,
    has_span: bool,
}

/// Deeper no handler is nested.
const DEEPEST: usize = 64;

struct Open {
    name: usize,
    start: u64,
    due: Option<u64>,
    delivery: Option<Delivery>,
}

impl Reader {
    fn take(&mut self, packet: Packet) {
        if let Some(track) = packet.track_descriptor
            && track.uuid == Some(Track::Guest as u64)
        {
            self.recording.guest = track
                .process
                .and_then(|process| process.process_name)
                .unwrap_or_default();
        }
        if let Some(interned) = packet.interned_data {
            // Whoever reads the notes knows their numbers.
            let is_ours = |name: &super::messages::Name| {
                name.iid == Some(Note::Lost as u64) && name.name.as_deref() == Some(LOST)
            };
            self.is_ours |= interned.debug_annotation_names.iter().any(is_ours);
            for name in interned.event_names {
                self.names.insert(name.iid.unwrap_or(0), self.recording.names.len());
                self.recording.names.push(name.name.unwrap_or_default());
            }
        }
        if let (Some(event), Some(time)) = (packet.track_event, packet.timestamp) {
            self.event(&event, time);
        }
    }

    fn event(&mut self, event: &TrackEvent, time: u64) {
        let Some(uuid) = event.track_uuid else { return };
        let kind = event.r#type.and_then(|kind| EventType::try_from(kind).ok());
        if uuid == Track::Guest as u64 {
            self.recording.time = note_text(event, Note::Time).unwrap_or_default().to_owned();
            self.recording.lost = note(event, Note::Lost).unwrap_or(0);
            return;
        }
        let (first, last) = self.recording.span;
        self.recording.span = if self.has_span {
            (first.min(time), last.max(time))
        } else {
            (time, time)
        };
        self.has_span = true;
        match kind {
            Some(EventType::SliceBegin) => self.begin(event, uuid, time),
            Some(EventType::SliceEnd) => self.end(uuid, time),
            Some(EventType::Instant) if uuid == Track::Ticks as u64 => {
                let timer = note(event, Note::Timer).and_then(|timer| timer.try_into().ok());
                if let (Some(timer), Some(due)) = (timer, note(event, Note::Due)) {
                    self.recording.ticks.push(Tick { timer, due, at: time });
                }
            }
            Some(EventType::Instant) if uuid == Track::Pending as u64 => {
                if let Some(delivery) = note_text(event, Note::Delivery).and_then(Delivery::of) {
                    self.recording.interrupts.push(Interrupt {
                        due: note(event, Note::Due),
                        raised: None,
                        at: time,
                        delivery,
                    });
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, event: &TrackEvent, uuid: u64, start: u64) {
        let name = event.name_iid.and_then(|iid| self.names.get(&iid).copied());
        let open = self.open.entry(uuid).or_default();
        if open.len() < DEEPEST {
            open.push(Open {
                name: name.unwrap_or(0),
                start,
                due: note(event, Note::Due),
                delivery: note_text(event, Note::Delivery).and_then(Delivery::of),
            });
        }
    }

    fn end(&mut self, uuid: u64, end: u64) {
        let Some(open) = self.open.get_mut(&uuid).and_then(Vec::pop) else {
            return;
        };
        let start = open.start.min(end);
        let slice = Slice {
            name: open.name,
            start,
            end,
        };
        let recording = &mut self.recording;
        if uuid >= Track::Threads as u64 {
            recording.threads.push(slice);
        } else if uuid == Track::Calls as u64 {
            recording.calls.push(slice);
        } else if uuid == Track::Idle as u64 {
            recording.idle.push(slice);
        } else if uuid == Track::Handlers as u64 {
            recording.handlers.push(slice);
        } else if uuid == Track::Pending as u64
            && let Some(delivery) = open.delivery
        {
            recording.interrupts.push(Interrupt {
                due: open.due,
                raised: Some(start),
                at: end,
                delivery,
            });
        }
    }

    fn finish(self) -> Result<Recording, ReadError> {
        // A slice whose name is not known has the number 0.
        let is_sound = self.is_ours && !self.recording.names.is_empty();
        is_sound.then_some(self.recording).ok_or(ReadError::Other)
    }
}

fn note(event: &TrackEvent, note: Note) -> Option<u64> {
    let mut notes = event.debug_annotations.iter();
    notes.find(|one| one.name_iid == Some(note as u64))?.uint_value
}

fn note_text(event: &TrackEvent, note: Note) -> Option<&str> {
    let mut notes = event.debug_annotations.iter();
    notes
        .find(|one| one.name_iid == Some(note as u64))?
        .string_value
        .as_deref()
}

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
