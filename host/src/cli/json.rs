// SPDX-License-Identifier: MIT OR Apache-2.0
//! Results for programs to read.

use pvhost::text::is_shown;
use serde::Serialize;

/// The value over several lines.
pub(super) fn pretty(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(escaped(serde_json::to_string_pretty(value)?) + "\n")
}

/// The value in one line, without its end.
pub(super) fn line(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(escaped(serde_json::to_string(value)?))
}

/// The same JSON, of which a terminal shows every character: the others stand in strings only, as `\uXXXX`.
fn escaped(json: String) -> String {
    let is_plain = |character| character == '\n' || is_shown(character);
    if json.chars().all(is_plain) {
        return json;
    }
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if is_plain(character) {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                text += &format!("\\u{unit:04x}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_json_and_a_terminal_shows_it() {
        let value = ["\u{202e}\u{2028}\u{9b}2J\x7f\x1b", "\u{e0041}é\"\\", "ファイル"];
        for json in [pretty(&value), line(&value)] {
            let json = json.expect("texts");
            assert!(json.chars().all(|c| c == '\n' || is_shown(c)), "{json:?}");
            assert_eq!(serde_json::from_str::<[String; 3]>(&json).expect("JSON"), value);
        }
    }
}
