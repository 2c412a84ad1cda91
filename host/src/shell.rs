// SPDX-License-Identifier: MIT OR Apache-2.0
//! Command lines for people, as they would type them in a shell.

use std::ffi::OsStr;

/// The word as POSIX shells read it: in single quotes, unless it is plain. What is no text is shown with U+FFFD.
#[must_use]
pub fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_=+,./:".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, quoted_word) in [
            ("-m", "-m"),
            ("a,b=c", "a,b=c"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", "'it'\\''s'"),
            ("`", "'`'"),
        ] {
            assert_eq!(quoted(OsStr::new(word)), quoted_word);
        }
    }
}
