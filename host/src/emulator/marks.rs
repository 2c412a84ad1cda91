// SPDX-License-Identifier: MIT OR Apache-2.0
//! How Xen's lines begin, so that no guest can be taken for it.
//!
//! Xen and its first domain share one console, whatever Xen's options say, and all that tells a line of Xen's is the
//! text `(XEN) ` at its beginning, which a guest may print as well. So Xen is given other beginnings, in the copy of it
//! that runs: bytes of no text, and other ones each time.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

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
