// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the program says: messages on standard error, and the styles of messages and results.
//!
//! Texts are made with styles. Where they go decides whether the styles stay: on a terminal, unless `NO_COLOR` or
//! `TERM=dumb` says otherwise.

use std::borrow::Cow;
use std::fmt::Display;
use std::io;

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::{AnsiColor, Style};

use super::output;

/// Of what went wrong.
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Of what is as it should be.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// Of what is worth a look.
pub(super) const ODD: Style = AnsiColor::Yellow.on_default();
/// Of a table's first row.
pub(super) const HEADING: Style = Style::new().bold().underline();

/// Says why the program fails.
pub(super) fn error(message: impl Display) {
    say(format_args!("pvhost: {BAD}error:{BAD:#} {message}\n"));
}

/// Says what the user should know, and may do something about.
pub(super) fn warning(message: impl Display) {
    say(format_args!("pvhost: {ODD}warning:{ODD:#} {message}\n"));
}

/// Says something else.
pub(super) fn note(message: impl Display) {
    say(format_args!("pvhost: {message}\n"));
}

/// Writes a text to standard error.
pub(super) fn say(text: impl Display) {
    output::print_message(&fit(&text.to_string(), &io::stderr()));
}

/// Writes a text to standard error, which is a terminal, with what it obeys. The user may not want styles.
#[cfg(process_host)]
pub(super) fn say_to_terminal(before: &str, text: impl Display) {
    output::print_message(&(before.to_owned() + &fit(&text.to_string(), &io::stderr())));
}

/// The text with or without its styles, for standard output.
pub(super) fn for_stdout(text: &str) -> Cow<'_, str> {
    fit(text, &io::stdout())
}

fn fit<'a>(text: &'a str, stream: &impl RawStream) -> Cow<'a, str> {
    if AutoStream::choice(stream) == ColorChoice::Never {
        Cow::Owned(anstream::adapter::strip_str(text).to_string())
    } else {
        Cow::Borrowed(text)
    }
}

/// A table whose columns are as wide as they need to be, separated by two spaces; its first row is the heading.
pub(super) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line += &format!("{cell:width$}  ");
        }
        let line = line.trim_end();
        if index == 0 {
            text += &format!("{HEADING}{line}{HEADING:#}\n");
        } else {
            text += line;
            text.push('\n');
        }
    }
    text
}
