// SPDX-License-Identifier: MIT OR Apache-2.0
//! A trace as Perfetto reads it.

use std::collections::BTreeMap;

use prost::Message;

use super::event::{Direction, Event, Stamp};
use super::messages::{
    Annotation, BY_RANK, CLEARED, Counter, EventType, InternedData, NEEDS_NAMES, NS, Name, Packet, Process,
    TrackDescriptor, TrackEvent,
};
use super::tracks::{IDLE, Note, Track};
use super::{ThreadName, Trace};

/// The one sequence of packets.
const SEQUENCE: u32 = 1;
/// Names of events beside the functions', whose numbers are behind these.
const NAMES: [&str; 6] = ["trace", "pending", "expired", "written", "read", "handler"];
const TRACE: u64 = 1;
const PENDING: u64 = 2;
const EXPIRED: u64 = 3;
const WRITTEN: u64 = 4;
const READ: u64 = 5;
const HANDLER: u64 = 6;

impl Trace {
    /// As a file for Perfetto. Times in it are guest time in ns; where that is not the host's, events have the host's
    /// beside it (`host_ns`, since the guest's start).
    #[must_use]
    pub fn to_perfetto(&self) -> Vec<u8> {
        let threads = Threads::new(&self.threads, &self.events);
        let mut file = Vec::new();
        self.head(&threads, &mut file);
        let mut packets = Packets::default();
        packets.push(
            Stamp::default(),
            event(EventType::Instant, Track::Guest as u64, Some(TRACE)),
            vec![text(Note::Time, &self.time), number(Note::Lost, self.lost)],
        );
        self.events(&threads, &mut packets);
        packets.append_to(&mut file);
        file
    }

    /// Names of tracks and events.
    fn head(&self, threads: &Threads, file: &mut Vec<u8>) {
        let mut track = |uuid: u64, name: &str, rank: u64| {
            let is_guest = uuid == Track::Guest as u64;
            let descriptor = TrackDescriptor {
                uuid: Some(uuid),
                name: (!is_guest).then(|| name.to_owned()),
                process: is_guest.then(|| Process {
                    pid: Some(1),
                    process_name: Some(name.to_owned()),
                }),
                parent_uuid: (!is_guest).then_some(Track::Guest as u64),
                counter: (uuid == Track::Lateness as u64).then_some(Counter { unit: Some(NS) }),
                child_ordering: is_guest.then_some(BY_RANK),
                sibling_order_rank: (!is_guest).then(|| rank.try_into().unwrap_or(i32::MAX)),
            };
            let packet = Packet {
                trusted_packet_sequence_id: Some(SEQUENCE),
                track_descriptor: Some(descriptor),
                ..Packet::default()
            };
            append(file, &packet);
        };
        track(Track::Guest as u64, &self.guest, 0);
        for (one, name) in Track::ALL {
            track(one as u64, name, one as u64);
        }
        for (index, (thread, name)) in threads.list.iter().enumerate() {
            let uuid = Track::Threads as u64 + index as u64;
            track(uuid, &format!("{name} ({thread:#010x})"), uuid);
        }
        let names = NAMES.iter().copied();
        let names = names.chain(self.functions.iter().map(String::as_str));
        let names = names.chain(threads.list.iter().map(|(_, name)| name.as_str()));
        let interned = |(iid, name): (u64, &str)| Name {
            iid: Some(iid),
            name: Some(name.to_owned()),
        };
        let packet = Packet {
            trusted_packet_sequence_id: Some(SEQUENCE),
            sequence_flags: Some(CLEARED | NEEDS_NAMES),
            interned_data: Some(InternedData {
                event_names: (1..).zip(names).map(interned).collect(),
                debug_annotation_names: Note::ALL.map(|(note, name)| interned((note as u64, name))).to_vec(),
            }),
            ..Packet::default()
        };
        append(file, &packet);
    }

    fn events(&self, threads: &Threads, packets: &mut Packets) {
        use EventType::{Counter, Instant, SliceBegin, SliceEnd};

        let idle = self.functions.iter().position(|name| name == IDLE);
        let first_function = NAMES.len() as u64 + 1;
        let first_thread = first_function + self.functions.len() as u64;
        let mut pending_until = 0;
        let mut handlers = 0;
        let mut running = None;
        for one in &self.events {
            match *one {
                Event::Call { function, start, end } => {
                    let track = match idle == Some(function as usize) {
                        true => Track::Idle,
                        false => Track::Calls,
                    } as u64;
                    let name = first_function + u64::from(function);
                    packets.push(start, event(SliceBegin, track, Some(name)), vec![]);
                    packets.push(end, event(SliceEnd, track, None), vec![]);
                }
                Event::Tick {
                    at,
                    timer,
                    due,
                    expirations,
                } => {
                    let notes = vec![
                        number(Note::Due, due),
                        number(Note::Expirations, expirations),
                        number(Note::Timer, timer.into()),
                    ];
                    packets.push(at, event(Instant, Track::Ticks as u64, Some(EXPIRED)), notes);
                    let counter = TrackEvent {
                        counter_value: Some(at.guest.saturating_sub(due).try_into().unwrap_or(i64::MAX)),
                        ..event(Counter, Track::Lateness as u64, None)
                    };
                    packets.push(at, counter, vec![]);
                }
                Event::Interrupt {
                    at,
                    lines,
                    delivery,
                    raised,
                    due,
                } => {
                    let mut notes = vec![text(Note::Delivery, delivery.name())];
                    if lines != 0 {
                        notes.push(number(Note::Lines, lines.into()));
                    }
                    if let Some(due) = due {
                        notes.push(number(Note::Due, due));
                    }
                    let track = Track::Pending as u64;
                    if let Some(raised) = raised {
                        // One comes after the other.
                        let raised = raised.clamp(pending_until.min(at.guest), at.guest);
                        let start = Stamp {
                            guest: raised,
                            host: at.host.saturating_sub(at.guest - raised),
                        };
                        packets.push(start, event(SliceBegin, track, Some(PENDING)), notes);
                        packets.push(at, event(SliceEnd, track, None), vec![]);
                    } else {
                        packets.push(at, event(Instant, track, Some(PENDING)), notes);
                    }
                    pending_until = at.guest;
                }
                Event::Console {
                    at,
                    direction,
                    bytes,
                    text: first,
                } => {
                    let name = match direction {
                        Direction::Out => WRITTEN,
                        Direction::In => READ,
                    };
                    let shown = &first[..first.len().min(usize::try_from(bytes).unwrap_or(usize::MAX))];
                    let notes = vec![
                        number(Note::Bytes, bytes),
                        text(Note::Text, &shown.escape_ascii().to_string()),
                    ];
                    packets.push(at, event(Instant, Track::Console as u64, Some(name)), notes);
                }
                Event::Switch { at, thread } => {
                    let index = threads.index(thread, at.guest) as u64;
                    let track = Track::Threads as u64 + index;
                    if let Some(before) = running.replace(track) {
                        packets.push(at, event(SliceEnd, before, None), vec![]);
                    }
                    packets.push(at, event(SliceBegin, track, Some(first_thread + index)), vec![]);
                }
                Event::Handler { at, begins: true } => {
                    handlers += 1;
                    packets.push(at, event(SliceBegin, Track::Handlers as u64, Some(HANDLER)), vec![]);
                }
                // Others have begun where events are lost.
                Event::Handler { at, begins: false } if handlers > 0 => {
                    handlers -= 1;
                    packets.push(at, event(SliceEnd, Track::Handlers as u64, None), vec![]);
                }
                Event::Handler { .. } => {}
            }
        }
        let open = std::iter::repeat_n(Track::Handlers as u64, handlers).chain(running);
        for track in open {
            packets.push(self.end, event(SliceEnd, track, None), vec![]);
        }
    }
}

/// Events until they are sorted, as they are in a file.
#[derive(Default)]
struct Packets {
    bytes: Vec<u8>,
    /// Where one ends, and its time.
    ends: Vec<(u64, usize)>,
}

impl Packets {
    fn push(&mut self, at: Stamp, mut event: TrackEvent, notes: Vec<Annotation>) {
        event.debug_annotations = notes;
        if at.host != at.guest {
            event.debug_annotations.push(number(Note::Host, at.host));
        }
        let packet = Packet {
            timestamp: Some(at.guest),
            trusted_packet_sequence_id: Some(SEQUENCE),
            sequence_flags: Some(NEEDS_NAMES),
            track_event: Some(event),
            ..Packet::default()
        };
        append(&mut self.bytes, &packet);
        self.ends.push((at.guest, self.bytes.len()));
    }

    /// Adds them to a file. What ends when the next begins has ended before it; so have they been pushed.
    fn append_to(&self, file: &mut Vec<u8>) {
        let mut start = 0;
        let mut packets: Vec<_> = (self.ends.iter())
            .map(|&(time, end)| (time, std::mem::replace(&mut start, end)..end))
            .collect();
        packets.sort_by_key(|(time, _)| *time);
        file.reserve(self.bytes.len());
        for (_, range) in packets {
            file.extend_from_slice(&self.bytes[range]);
        }
    }
}

fn event(kind: EventType, track: u64, name: Option<u64>) -> TrackEvent {
    TrackEvent {
        r#type: Some(kind.into()),
        track_uuid: Some(track),
        name_iid: name,
        ..TrackEvent::default()
    }
}

fn number(note: Note, value: u64) -> Annotation {
    Annotation {
        name_iid: Some(note as u64),
        uint_value: Some(value),
        ..Annotation::default()
    }
}

fn text(note: Note, value: &str) -> Annotation {
    Annotation {
        name_iid: Some(note as u64),
        string_value: Some(value.to_owned()),
        ..Annotation::default()
    }
}

/// Adds a packet: field 1 of the trace.
fn append(file: &mut Vec<u8>, packet: &Packet) {
    /// Field 1, with a length.
    const FIELD: u8 = 1 << 3 | 2;
    file.push(FIELD);
    packet.encode_length_delimited(file).expect("a vector has room");
}

/// Threads by number and name: an operating system uses a number again, when a thread is gone.
struct Threads {
    list: Vec<(u32, String)>,
    /// For each number, from which guest time on it is which of them.
    by_number: BTreeMap<u32, Vec<(u64, usize)>>,
}

impl Threads {
    fn new(names: &[ThreadName], events: &[Event]) -> Self {
        let mut threads = Self {
            list: Vec::new(),
            by_number: BTreeMap::new(),
        };
        for one in names {
            threads.add(one.from, one.thread, &one.name);
        }
        for one in events {
            if let Event::Switch { thread, .. } = *one
                && !threads.by_number.contains_key(&thread)
            {
                threads.add(0, thread, "thread");
            }
        }
        threads
    }

    fn add(&mut self, from: u64, number: u32, name: &str) {
        let is_it = |(there, other): &(u32, String)| *there == number && other == name;
        let index = self.list.iter().position(is_it).unwrap_or_else(|| {
            self.list.push((number, name.to_owned()));
            self.list.len() - 1
        });
        self.by_number.entry(number).or_default().push((from, index));
    }

    /// Which of the list has that number at that guest time.
    fn index(&self, number: u32, time: u64) -> usize {
        let of_number = self.by_number.get(&number).map_or(&[][..], Vec::as_slice);
        let latest = of_number.iter().rev().find(|(from, _)| *from <= time);
        latest.or(of_number.first()).map_or(0, |(_, index)| *index)
    }
}
