// SPDX-License-Identifier: MIT OR Apache-2.0
//! Takes Xen's own lines out of the stream that it shares with the guest.
//!
//! A line of Xen's begins with a mark, perhaps in the middle of one of the guest's, which goes on behind it, and so
//! does a line of a PVH guest's debug console. Xen puts a carriage return before each newline, which is taken out, too.
//!
//! Xen and its first domain share one console, whatever Xen's options say, and all that tells a line of Xen's is the
//! text `(XEN) ` at its beginning, which a guest may print as well. So Xen is given other beginnings, in the copy of it
//! that runs: bytes of no text, and other ones each time.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

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

/// Bytes of a line that are kept; what a longer one has more is dropped.
pub(super) const LONGEST: usize = 4096;

/// Puts lines together.
#[derive(Debug, Default)]
pub(super) struct LineBuffer {
    line: Vec<u8>,
}

impl LineBuffer {
    /// Takes a byte; the line that it ends, without line ending, invalid UTF-8 replaced.
    pub(super) fn push(&mut self, byte: u8) -> Option<String> {
        if byte == b'\n' {
            return Some(self.take());
        }
        if self.line.len() < LONGEST {
            self.line.push(byte);
        }
        None
    }

    /// What there is of a line that did not end; `None`: nothing.
    pub(super) fn rest(&mut self) -> Option<String> {
        (!self.line.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> String {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        String::from_utf8_lossy(line).into_owned()
    }
}

/// Of Xen's lines, as Xen's file has it, with the end of the string.
const OF_XEN: &[u8; 7] = b"(XEN) \0";
/// Of the lines of a domain's debug console: a format, which takes the domain's number.
const OF_DOMAIN: &[u8; 7] = b"(d%d) \0";

/// Beginnings of lines.
#[derive(Debug)]
pub(super) struct Marks {
    /// Of Xen's lines.
    pub(super) xen: Vec<u8>,
    /// Of lines that a guest prints on its debug console.
    pub(super) debug: Vec<u8>,
}

impl Default for Marks {
    /// As Xen comes.
    fn default() -> Self {
        Self {
            xen: b"(XEN) ".to_vec(),
            debug: b"(d0) ".to_vec(),
        }
    }
}

impl Marks {
    /// Changes Xen's beginnings in its file's content. A Xen that does not have them as we know them keeps its own.
    pub(super) fn make(content: &mut [u8]) -> io::Result<Self> {
        let mut marks = Self::default();
        let mut random = [0; 10];
        getrandom(&mut random, GetRandomFlags::empty())?;
        // In no ASCII text, and very seldom in another: the highest bit alone makes no UTF-8.
        let [a, b, c, d, e, f, g, h, i, j] = random.map(|byte| byte | 0x80);
        if let Some(place) = only_place(content, OF_XEN) {
            marks.xen = vec![a, b, c, d, e, f];
            place[..6].copy_from_slice(&marks.xen);
        }
        if let Some(place) = only_place(content, OF_DOMAIN) {
            marks.debug = vec![g, h, b'0', i, j];
            place[..6].copy_from_slice(&[g, h, b'%', b'd', i, j]);
        }
        Ok(marks)
    }
}

/// Where that string is, if it is there once.
fn only_place<'a>(content: &'a mut [u8], text: &[u8; 7]) -> Option<&'a mut [u8]> {
    let mut places = content
        .windows(text.len())
        .enumerate()
        .filter(|(_, window)| window == text)
        .map(|(start, _)| start);
    let start = places.next().filter(|_| places.next().is_none())?;
    Some(&mut content[start..start + text.len()])
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

    #[test]
    fn lines_end_and_have_a_limit() {
        let mut lines = LineBuffer::default();
        let mut seen = Vec::new();
        let text = [b"a\r\n\nb".as_slice(), &[b'x'; 5000], b"\nrest"].concat();
        seen.extend(text.into_iter().filter_map(|byte| lines.push(byte)));
        assert_eq!(seen[..2], ["a", ""]);
        assert_eq!(seen[2].len(), LONGEST);
        assert_eq!(lines.rest().as_deref(), Some("rest"));
        assert_eq!(lines.rest(), None);
    }

    #[test]
    fn the_copys_beginnings_are_others_each_time() {
        let mut seen = Vec::new();
        for _ in 0..2 {
            let mut content = *b"a\0(XEN) \0b(d%d) \0(XEN) c\0";
            let marks = Marks::make(&mut content).expect("random numbers");
            assert_eq!(content[2..8], marks.xen);
            assert_eq!(&content[12..14], b"%d");
            assert_eq!([&content[10..12], b"0", &content[14..16]].concat(), marks.debug);
            // The rest is as it was.
            let rest = [&content[..2], &content[8..10], &content[16..]].concat();
            assert_eq!(rest, b"a\0\0b\0(XEN) c\0");
            seen.push(marks.xen);
        }
        assert_ne!(seen[0], seen[1]);
    }

    #[test]
    fn a_xen_that_speaks_otherwise_keeps_its_beginnings() {
        for mut content in [*b"(XEN) \0(XEN) \0(d%d) \0(d%d) \0", [b' '; 28]] {
            let before = content;
            let marks = Marks::make(&mut content).expect("random numbers");
            assert_eq!(content, before);
            assert_eq!((marks.xen, marks.debug), (b"(XEN) ".into(), b"(d0) ".into()));
        }
    }
}
