// SPDX-License-Identifier: MIT OR Apache-2.0
//! The picture of what happened when.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use super::read::{Recording, Slice, Tick};
use super::svg::{Anchor, FAINT, GRID, HEAD, INK, Picture, WIDTH, time};
use crate::text::Escaped;

const LEFT: f64 = 230.0;
const RIGHT: f64 = 30.0;
const ROW: f64 = 22.0;
const BAR: f64 = 14.0;
/// Above a group of rows.
const GROUP: f64 = 12.0;
/// Height of the axis.
const AXIS: f64 = 26.0;
/// Columns that are told apart, each a unit wide.
const COLUMNS: usize = (WIDTH - LEFT - RIGHT) as usize;
/// Rows of one group: those with most time in them.
const MOST: usize = 16;
/// Letters of a name that fit.
const LETTERS: usize = 30;

struct Row<'a> {
    name: String,
    slices: Vec<&'a Slice>,
    total: u64,
}

impl Recording {
    /// What happened in that range of guest time, in ns, as a picture in SVG; `None`: from the first event to the last.
    /// The darker, the more of the time.
    #[must_use]
    pub fn timeline(&self, range: Option<Range<u64>>) -> String {
        let (first, last) = self.span;
        let range = range.unwrap_or(first..last);
        let range = range.start..range.end.max(range.start + 1);
        let all = |name: &str, slices| vec![row(name.to_owned(), slices, &range)];
        let expired = |tick: &Tick| Slice {
            name: 0,
            start: tick.at,
            end: tick.at,
        };
        let ticks: Vec<Slice> = self.ticks.iter().map(expired).collect();
        let groups = [
            ("timers", "#b7791f", all("expirations", &ticks)),
            ("threads", "#2f6fde", self.rows(&self.threads, &range)),
            ("interrupts", "#d64545", all("handlers", &self.handlers)),
            ("idle", "#9aa5b1", all("idle", &self.idle)),
            ("host functions", "#0f9d76", self.rows(&self.calls, &range)),
        ];
        let groups: Vec<_> = (groups.into_iter())
            .map(|(name, colour, rows)| {
                let rows: Vec<_> = rows.into_iter().filter(|row| !row.slices.is_empty()).collect();
                (name, colour, rows)
            })
            .filter(|(_, _, rows)| !rows.is_empty())
            .collect();
        let rows: usize = groups.iter().map(|(_, _, rows)| rows.len()).sum();
        let height = HEAD + AXIS + rows as f64 * ROW + groups.len() as f64 * GROUP + 16.0;
        let title = format!("Timeline of {}", self.shown_guest());
        let mut picture = Picture::new(height, &title, &self.subtitle());
        axis(&mut picture, &range, height - 16.0);
        let mut y = HEAD + AXIS;
        for (name, colour, rows) in groups {
            y = group(&mut picture, name, y);
            for row in rows {
                let name = shortened(&row.name);
                picture.text(LEFT - 10.0, y + BAR - 2.0, Anchor::End, 12, INK, name);
                let hint = format!("{}: {} times, {}", row.name, row.slices.len(), time(row.total));
                bars(&mut picture, y, colour, &hint, &row.slices, &range);
                y += ROW;
            }
        }
        picture.finish()
    }

    /// A row for each name, in the order in which they begin.
    fn rows<'a>(&self, slices: &'a [Slice], range: &Range<u64>) -> Vec<Row<'a>> {
        let mut by_name: BTreeMap<usize, Vec<&Slice>> = BTreeMap::new();
        for slice in slices {
            by_name.entry(slice.name).or_default().push(slice);
        }
        let mut rows: Vec<_> = (by_name.into_iter())
            .map(|(name, slices)| row(self.names.get(name).cloned().unwrap_or_default(), slices, range))
            .filter(|row| !row.slices.is_empty())
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.total));
        rows.truncate(MOST);
        rows.sort_by_key(|row| row.slices.first().map(|slice| slice.start));
        rows
    }

    /// The guest's name without its folder, on one line.
    pub(super) fn shown_guest(&self) -> String {
        let name = Path::new(&self.guest).file_name().unwrap_or_default();
        Escaped(name.display()).to_string()
    }

    /// How long it was and how its time passed.
    pub(super) fn subtitle(&self) -> String {
        let (first, last) = self.span;
        let lost = match self.lost {
            0 => String::new(),
            lost => format!("; {lost} events before the first one are lost"),
        };
        format!(
            "{} of guest time (--time {}), {} calls, {} interrupts{lost}",
            time(last.saturating_sub(first)),
            Escaped(&self.time),
            self.calls.len() + self.idle.len(),
            self.interrupts.len()
        )
    }
}

fn row<'a>(name: String, slices: impl IntoIterator<Item = &'a Slice>, range: &Range<u64>) -> Row<'a> {
    let is_in = |slice: &&Slice| slice.start < range.end && slice.end >= range.start;
    let slices: Vec<_> = slices.into_iter().filter(is_in).collect();
    let total = slices.iter().fold(0_u64, |sum, slice| {
        let (start, end) = (slice.start.max(range.start), slice.end.min(range.end));
        sum.saturating_add(end.saturating_sub(start))
    });
    Row { name, slices, total }
}

fn group(picture: &mut Picture, name: &str, y: f64) -> f64 {
    picture.line((20.0, y + 4.0), (WIDTH - RIGHT, y + 4.0), GRID, None);
    picture.text(20.0, y + GROUP + BAR - 2.0, Anchor::Start, 12, FAINT, name);
    y + GROUP
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= LETTERS {
        return name.to_owned();
    }
    let beginning: String = name.chars().take(LETTERS - 3).collect();
    beginning + "..."
}

/// Columns in a range of time.
struct Columns {
    start: u64,
    length: f64,
}

impl Columns {
    fn new(range: &Range<u64>) -> Self {
        Self {
            start: range.start,
            length: (range.end - range.start) as f64 / COLUMNS as f64,
        }
    }

    /// Which column that is, and how far in it.
    fn place(&self, time: u64) -> f64 {
        time.saturating_sub(self.start) as f64 / self.length
    }
}

/// How much of each column is taken.
fn bars(picture: &mut Picture, y: f64, colour: &str, hint: &str, slices: &[&Slice], range: &Range<u64>) {
    let columns = Columns::new(range);
    let mut taken = vec![0.0_f64; COLUMNS];
    for slice in slices {
        let from = columns.place(slice.start.max(range.start));
        let to = columns.place(slice.end.min(range.end)).min(COLUMNS as f64);
        let first = (from as usize).min(COLUMNS - 1);
        for (column, share) in taken.iter_mut().enumerate().take(to as usize + 1).skip(first) {
            let (left, right) = (column as f64, (column + 1) as f64);
            // What is too short to be seen is seen all the same.
            *share += (to.min(right) - from.max(left)).max(0.001);
        }
    }
    // Of eight shades; neighbours of one shade are one rectangle.
    let shade = |share: f64| {
        if share <= 0.0 {
            0
        } else {
            1 + (share.min(1.0) * 7.0).round() as u32
        }
    };
    let mut start = 0;
    while start < COLUMNS {
        let of_start = shade(taken[start]);
        let end = (start..COLUMNS)
            .find(|&column| shade(taken[column]) != of_start)
            .unwrap_or(COLUMNS);
        if of_start > 0 {
            let at = (LEFT + start as f64, y, (end - start) as f64, BAR);
            picture.rect(at, colour, 0.6 + 0.4 * f64::from(of_start - 1) / 7.0, hint);
        }
        start = end;
    }
}

fn axis(picture: &mut Picture, range: &Range<u64>, low: f64) {
    let length = range.end - range.start;
    let step = step(length);
    let columns = Columns::new(range);
    let mut at = range.start.next_multiple_of(step);
    while at <= range.end {
        let x = LEFT + columns.place(at);
        picture.line((x, HEAD + 20.0), (x, low), GRID, None);
        picture.text(x, HEAD + 14.0, Anchor::Middle, 11, FAINT, round_time(at));
        at = at.saturating_add(step);
    }
}

/// A time of the axis, without digits that are zero.
fn round_time(ns: u64) -> String {
    let (divisor, unit) = match ns {
        0..1_000 => (1.0, "ns"),
        1_000..1_000_000 => (1e3, "us"),
        1_000_000..1_000_000_000 => (1e6, "ms"),
        _ => (1e9, "s"),
    };
    format!("{} {unit}", ns as f64 / divisor)
}

/// Between five and twelve lines at round times.
fn step(length: u64) -> u64 {
    let mut step = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            let candidate = step.saturating_mul(factor);
            if length / candidate <= 10 {
                return candidate;
            }
        }
        step = step.saturating_mul(10);
    }
}
