// SPDX-License-Identifier: MIT OR Apache-2.0
//! Text of others, made fit to be printed: names of files, symbols and sections, and what QEMU, Xen or a guest say.
//!
//! A terminal obeys control characters, and some that are none change the order in which the rest of the line is shown
//! (U+202E), begin a new one (U+2028) or are not seen at all (U+200B). None of them reaches a terminal by a text of
//! this crate or of a host.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt::{self, Display, Write};

/// More of a text that cannot be read is not repeated in a message.
const MAX_REPEATED: usize = 100;

/// A text of others in a text of ours: what is not shown as itself stands as `\n`, `\u{1b}`, `\u{202e}`. Line breaks
/// are no exception.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<T>(pub T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaper(f), "{}", self.0)
    }
}

/// The beginning of a text that cannot be read, for a message; an endless one ends in `...`.
#[must_use]
pub fn beginning(text: &str) -> String {
    match text.char_indices().nth(MAX_REPEATED) {
        Some((end, _)) => text[..end].to_owned() + "...",
        None => text.to_owned(),
    }
}

/// A text that takes no memory beside itself: for signal handlers, and for when memory is exhausted. What is too long
/// is cut.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    bytes: [u8; Self::SIZE],
    length: usize,
}

impl Line {
    const SIZE: usize = 256;

    /// That text.
    #[must_use]
    pub fn new(text: fmt::Arguments<'_>) -> Self {
        let mut line = Self {
            bytes: [0; Self::SIZE],
            length: 0,
        };
        // It fails where the text is cut.
        let _ = line.write_fmt(text);
        line
    }

    /// Of a character that was cut, nothing.
    #[must_use]
    pub fn text(&self) -> &str {
        let text = self.bytes[..self.length].utf8_chunks().next();
        text.map_or("", |chunk| chunk.valid())
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.length..];
        let count = room.len().min(text.len());
        room[..count].copy_from_slice(&text.as_bytes()[..count]);
        self.length += count;
        if count == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// Escapes what is written to it.
pub(crate) struct Escaper<W>(pub(crate) W);

impl<W: Write> Write for Escaper<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((at, character)) = rest.char_indices().find(|&(_, c)| !is_shown(c)) {
            self.0.write_str(&rest[..at])?;
            write!(self.0, "{}", character.escape_debug())?;
            rest = &rest[at + character.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// Returns whether a terminal shows that character, and does nothing else with it. Of white space only the blank does.
#[must_use]
pub fn is_shown(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    // The standard library knows what is shown. It would escape what belongs to the letter before, too, unless there is
    // one.
    let mut text = [b'a', 0, 0, 0, 0];
    let size = character.encode_utf8(&mut text[1..]).len();
    core::str::from_utf8(&text[..=size]).is_ok_and(|text| text.escape_debug().count() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn what_a_terminal_obeys_is_escaped() {
        for (text, escaped) in [
            ("\x1b[31m\x07\0\r\n\t\x7f", "\\u{1b}[31m\\u{7}\\0\\r\\n\\t\\u{7f}"),
            ("\u{9b}2J\u{85}", "\\u{9b}2J\\u{85}"),
            ("a\u{202e}b\u{2066}c\u{200f}", "a\\u{202e}b\\u{2066}c\\u{200f}"),
            (
                "\u{2028}\u{2029}\u{a0}\u{200b}\u{feff}",
                "\\u{2028}\\u{2029}\\u{a0}\\u{200b}\\u{feff}",
            ),
            ("\u{e0041}\u{e000}", "\\u{e0041}\\u{e000}"),
        ] {
            assert_eq!(format!("{}", Escaped(text)), escaped);
            assert!(escaped.chars().all(is_shown));
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_between_characters() {
        let line = |text: &str| Line::new(format_args!("{text}, {text}")).text().to_owned();
        assert_eq!(line("short"), "short, short");
        assert_eq!(line(&"ä".repeat(200)), "ä".repeat(128));
        assert_eq!(
            line(&("a".to_owned() + &"ä".repeat(200))),
            "a".to_owned() + &"ä".repeat(127)
        );
    }

    #[test]
    fn of_an_endless_text_the_beginning_is_repeated() {
        let hundred = "ä".repeat(100);
        assert_eq!(beginning(&hundred), hundred);
        assert_eq!(beginning(&(hundred.clone() + "b")), hundred + "...");
    }

    #[test]
    fn what_it_shows_is_left_alone() {
        for text in [
            "",
            "it's \"C:\\x\" $HOME",
            "Gerät",
            "Gera\u{308}t",
            "ファイル",
            "कि",
            "→😀",
        ] {
            assert_eq!(format!("{}", Escaped(text)), text);
        }
    }
}
