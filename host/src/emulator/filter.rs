// SPDX-License-Identifier: MIT OR Apache-2.0
//! Takes Xen's own lines out of the stream that it shares with the guest.
//!
//! A line of Xen's begins with a mark, perhaps in the middle of one of the guest's, which goes on behind it, and so
//! does a line of a PVH guest's debug console. Xen puts a carriage return before each newline, which is taken out, too.

use super::line_buffer::LineBuffer;
use super::marks::Marks;

/// Who speaks on the serial line beside the guest's console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// Xen.
    Xen,
    /// The guest, on its debug console.
    Debug,
}

/// What has been told apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A byte of the guest's console.
    Console(u8),
    /// A line without beginning and line ending.
    Line(Speaker, String),
}

/// The state between two bytes.
#[derive(Debug, Default)]
pub(super) struct Filter {
    /// What may become a beginning or a line ending.
    held: Vec<u8>,
    /// Inside such a line.
    speaker: Option<Speaker>,
    lines: LineBuffer,
    marks: Marks,
}

impl Filter {
    /// For a Xen with these marks.
    pub(super) fn new(marks: Marks) -> Self {
        Self {
            marks,
            ..Self::default()
        }
    }

    /// Takes a byte.
    pub(super) fn push(&mut self, byte: u8, take: &mut dyn FnMut(Part)) {
        if let Some(speaker) = self.speaker {
            if let Some(line) = self.lines.push(byte) {
                self.speaker = None;
                take(Part::Line(speaker, line));
            }
            return;
        }
        self.held.push(byte);
        while !self.held.is_empty() && !self.decided() && !self.undecided() {
            take(Part::Console(self.held.remove(0)));
        }
    }

    /// Returns whether bytes are held back until it is known what they are.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Gives up what is held: nothing more has come for some time, so the guest may have printed a parenthesis.
    pub(super) fn flush(&mut self, take: &mut dyn FnMut(Part)) {
        for byte in self.held.drain(..) {
            take(Part::Console(byte));
        }
    }

    /// What Xen has begun to say when the stream ends.
    pub(super) fn finish(&mut self, take: &mut dyn FnMut(Part)) {
        self.flush(take);
        if let (Some(speaker), Some(line)) = (self.speaker.take(), self.lines.rest()) {
            take(Part::Line(speaker, line));
        }
    }

    /// Acts on a complete beginning or line ending. Returns whether there was one.
    fn decided(&mut self) -> bool {
        if self.held == b"\r\n" {
            // The loop in `push` hands over the newline.
            self.held.remove(0);
            return false;
        }
        self.speaker = if self.held == self.marks.xen {
            Some(Speaker::Xen)
        } else if self.held == self.marks.debug {
            Some(Speaker::Debug)
        } else {
            return false;
        };
        self.held.clear();
        true
    }

    /// Returns whether what is held may still become something.
    fn undecided(&self) -> bool {
        let marks = [&self.marks.xen, &self.marks.debug];
        self.held == b"\r" || marks.iter().any(|mark| mark.starts_with(&self.held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the console got, and the lines, from a stream that ends.
    fn filtered(stream: &str) -> (String, Vec<(Speaker, String)>) {
        let (mut console, mut lines) = (Vec::new(), Vec::new());
        let mut filter = Filter::default();
        let mut take = |part| match part {
            Part::Console(byte) => console.push(byte),
            Part::Line(speaker, line) => lines.push((speaker, line)),
        };
        for byte in stream.bytes() {
            filter.push(byte, &mut take);
        }
        filter.finish(&mut take);
        (String::from_utf8(console).expect("text"), lines)
    }

    fn xen(line: &str) -> (Speaker, String) {
        (Speaker::Xen, line.to_owned())
    }

    #[test]
    fn xens_lines_are_taken_out_wherever_they_begin() {
        let stream = "(XEN) boot\r\nfirst\r\nsec(XEN) between\r\nond\r\n(XEN) en";
        let expected = (
            "first\nsecond\n".to_owned(),
            vec![xen("boot"), xen("between"), xen("en")],
        );
        assert_eq!(filtered(stream), expected);
    }

    #[test]
    fn lines_of_the_debug_console_are_told_apart() {
        let (console, lines) = filtered("a(d0) paravirt: shutdown exit 7\r\n");
        assert_eq!(console, "a");
        let line = "paravirt: shutdown exit 7".to_owned();
        assert_eq!(lines, [(Speaker::Debug, line)]);
    }

    #[test]
    fn what_only_looks_like_a_beginning_stays() {
        for text in [
            "((XEN)x", "(X", "(XEN)", "(d", "(d1) x", "\r", "a\rb", "()(XEN\n", "\r\r",
        ] {
            assert_eq!(filtered(text), (text.to_owned(), vec![]), "{text:?}");
        }
        assert_eq!(filtered("((XEN) x\n").0, "(");
        assert_eq!(filtered("\r(XEN) x\n").0, "\r");
    }

    #[test]
    fn one_carriage_return_before_a_newline_is_xens() {
        assert_eq!(filtered("a\r\r\nb\r\n").0, "a\r\nb\n");
    }

    #[test]
    fn what_is_held_can_be_had_before_the_stream_ends() {
        let (mut filter, mut console) = (Filter::default(), Vec::new());
        let mut take = |part| console.push(part);
        filter.push(b'(', &mut take);
        assert!(filter.holds());
        filter.flush(&mut take);
        assert!(!filter.holds());
        assert_eq!(console, [Part::Console(b'(')]);
    }
}
