// SPDX-License-Identifier: MIT OR Apache-2.0
//! The picture of latencies: how many interrupts came how late.

use super::event::Delivery;
use super::read::Distribution;
use super::read::Recording;
use super::svg::{Anchor, FAINT, GRID, HEAD, INK, Picture, WIDTH, time};

/// Bars in a factor of ten.
const BARS: f64 = 15.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 30.0;
/// Height of one diagram, and of what stands above and below its bars.
const PANEL: f64 = 240.0;
const ABOVE: f64 = 50.0;
const BELOW: f64 = 40.0;

impl Recording {
    /// Latencies as a picture in SVG: of timers, and of interrupts in each way in which they came.
    #[must_use]
    pub fn histogram(&self) -> String {
        let mut panels = vec![(
            "Timer due to interrupt taken".to_owned(),
            "#2f6fde",
            self.tick_latency(),
        )];
        for (delivery, what) in [
            (Delivery::Signal, "Line raised to upcall, by a signal"),
            (Delivery::Call, "Line raised to upcall, at the end of a call"),
            (Delivery::Wakeup, "Line raised to interrupt taken, out of idle"),
            (
                Delivery::Itself,
                "Line raised to interrupt taken, when the guest turned interrupts on",
            ),
        ] {
            panels.push((what.to_owned(), "#0f9d76", self.upcall_latency(delivery)));
        }
        panels.retain(|(_, _, times)| times.count() > 0);
        let height = HEAD + PANEL * panels.len().max(1) as f64;
        let title = format!("Latencies of {}", self.shown_guest());
        let mut picture = Picture::new(height, &title, &self.subtitle());
        if panels.is_empty() {
            picture.text(WIDTH / 2.0, HEAD + 100.0, Anchor::Middle, 14, FAINT, "no interrupts");
        }
        let times = panels.iter().flat_map(|(_, _, times)| times.times());
        let (least, most) = times.fold((u64::MAX, 1), |(least, most), &time| (least.min(time), most.max(time)));
        let scale = Scale::new(least, most);
        for (index, (what, colour, times)) in panels.iter().enumerate() {
            panel(&mut picture, HEAD + PANEL * index as f64, &scale, what, colour, times);
        }
        picture.finish()
    }
}

/// Times on a logarithmic scale, the same in all diagrams.
struct Scale {
    /// Powers of ten.
    first: f64,
    last: f64,
}

impl Scale {
    fn new(least: u64, most: u64) -> Self {
        let first = (least.clamp(10, 1 << 62) as f64).log10().floor();
        let last = (most.max(10) as f64 * 1.0001).log10().ceil();
        Self {
            first,
            last: last.max(first + 1.0),
        }
    }

    /// From 0 to 1.
    fn share(&self, time: u64) -> f64 {
        let power = (time.max(1) as f64).log10();
        ((power - self.first) / (self.last - self.first)).clamp(0.0, 1.0)
    }

    fn x(&self, time: u64) -> f64 {
        LEFT + self.share(time) * (WIDTH - LEFT - RIGHT)
    }
}

fn panel(picture: &mut Picture, top: f64, scale: &Scale, what: &str, colour: &str, times: &Distribution) {
    let (high, low) = (top + ABOVE, top + PANEL - BELOW);
    let width = WIDTH - LEFT - RIGHT;
    let title = format!("{what} ({})", times.count());
    picture.text(LEFT, top + 18.0, Anchor::Start, 14, INK, title);
    let mut power = scale.first;
    while power <= scale.last {
        let ns = 10_f64.powf(power) as u64;
        let x = scale.x(ns);
        picture.line((x, high), (x, low), GRID, None);
        picture.text(x, low + 18.0, Anchor::Middle, 11, FAINT, decade(ns));
        power += 1.0;
    }
    let count = ((scale.last - scale.first) * BARS) as usize;
    let mut bars = vec![0_u64; count];
    for &time in times.times() {
        let bar = (scale.share(time) * count as f64) as usize;
        bars[bar.min(count - 1)] += 1;
    }
    let most = bars.iter().copied().max().unwrap_or(1).max(1);
    for share in [0.5, 1.0] {
        let y = low - (low - high) * share;
        picture.line((LEFT, y), (WIDTH - RIGHT, y), GRID, None);
        let label = most as f64 * share;
        if label.fract() == 0.0 {
            picture.text(LEFT - 8.0, y + 4.0, Anchor::End, 11, FAINT, label);
        }
    }
    let bar = width / count as f64;
    for (index, &number) in bars.iter().enumerate().filter(|(_, number)| **number > 0) {
        let height = (low - high) * number as f64 / most as f64;
        let from = 10_f64.powf(scale.first + index as f64 / BARS) as u64;
        let to = 10_f64.powf(scale.first + (index + 1) as f64 / BARS) as u64;
        let hint = format!("{number}: {} to {}", time(from), time(to));
        let at = (LEFT + bar * index as f64 + 0.5, low - height, bar - 1.0, height);
        picture.rect(at, colour, 1.0, &hint);
    }
    picture.line((LEFT, low), (WIDTH - RIGHT, low), FAINT, None);
    let mut before = f64::NEG_INFINITY;
    let mut said = Vec::new();
    for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)] {
        let Some(at) = times.percentile(share) else { continue };
        said.push(format!("{name} {}", time(at)));
        let x = scale.x(at);
        picture.line((x, high - 4.0), (x, low), "#d64545", Some("3 3"));
        // Of lines that are near one another the first has a label.
        if x - before >= 26.0 {
            picture.text(x, high - 8.0, Anchor::Middle, 11, "#d64545", name);
            before = x;
        }
    }
    picture.text(WIDTH - RIGHT, top + 18.0, Anchor::End, 12, "#d64545", said.join(" · "));
}

/// A power of ten, as an axis has it.
fn decade(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{} us", ns / 1_000),
        1_000_000..1_000_000_000 => format!("{} ms", ns / 1_000_000),
        _ => format!("{} s", ns / 1_000_000_000),
    }
}
