// SPDX-License-Identifier: MIT OR Apache-2.0
//! LineBuffer out of a stream of bytes.

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
