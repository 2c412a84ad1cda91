// SPDX-License-Identifier: MIT OR Apache-2.0
//! What both pictures are drawn with. They are for any browser, on white, and need nothing but a font.

use std::fmt::Display;

use svg::node::Text;
use svg::node::element::{Group, Line, Rectangle, Text as TextElement, Title};
use svg::{Document, Node};

/// Width of a picture.
pub(super) const WIDTH: f64 = 1000.0;
/// Height of what stands above it.
pub(super) const HEAD: f64 = 64.0;

/// Colours for what there is much of.
pub(super) const INK: &str = "#1f2933";
pub(super) const FAINT: &str = "#7b8794";
pub(super) const GRID: &str = "#e4e7eb";

/// A picture that is being drawn.
pub(super) struct Picture {
    document: Document,
}

/// Which part of a text is at its place.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Picture {
    pub(super) fn new(height: f64, title: &str, subtitle: &str) -> Self {
        let document = Document::new()
            .set("viewBox", (0.0, 0.0, WIDTH, height))
            .set("width", WIDTH)
            .set("height", height)
            .set("font-family", "Helvetica, Arial, 'Liberation Sans', sans-serif");
        let mut picture = Self { document };
        picture.rect((0.0, 0.0, WIDTH, height), "#ffffff", 1.0, "");
        picture.text(20.0, 30.0, Anchor::Start, 18, INK, title);
        picture.text(20.0, 50.0, Anchor::Start, 12, FAINT, subtitle);
        picture
    }

    pub(super) fn text(&mut self, x: f64, y: f64, anchor: Anchor, size: u32, fill: &str, text: impl Display) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let element = TextElement::new(text.to_string())
            .set("x", round(x))
            .set("y", round(y))
            .set("font-size", size)
            .set("fill", fill)
            .set("text-anchor", anchor);
        self.add(element);
    }

    /// `(x, y, width, height)`; a browser shows what `hint` says where the mouse is over it.
    pub(super) fn rect(&mut self, at: (f64, f64, f64, f64), fill: &str, opacity: f64, hint: &str) {
        let (x, y, width, height) = at;
        let mut rectangle = Rectangle::new()
            .set("x", round(x))
            .set("y", round(y))
            .set("width", round(width))
            .set("height", round(height))
            .set("fill", fill);
        if opacity < 1.0 {
            rectangle = rectangle.set("fill-opacity", round(opacity));
        }
        if hint.is_empty() {
            self.add(rectangle);
        } else {
            self.add(Group::new().add(Title::new("").add(Text::new(hint))).add(rectangle));
        }
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: &str, dashes: Option<&str>) {
        let mut line = Line::new()
            .set("x1", round(from.0))
            .set("y1", round(from.1))
            .set("x2", round(to.0))
            .set("y2", round(to.1))
            .set("stroke", stroke);
        if let Some(dashes) = dashes {
            line = line.set("stroke-dasharray", dashes);
        }
        self.add(line);
    }

    fn add(&mut self, node: impl Into<Box<dyn Node>>) {
        self.document.append(node);
    }

    pub(super) fn finish(self) -> String {
        format!("{}\n", self.document)
    }
}

fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

/// A time for people to read: three digits.
#[must_use]
pub fn time(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    let digits = match value {
        100.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.digits$} {unit}")
}
