// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where results go.

use std::io::{self, Write};
use std::path::Path;

/// A result could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {target}: {source}")]
pub(super) struct WriteError {
    target: String,
    source: io::Error,
}

/// Writes to stdout. A reader that has seen enough and closed its pipe is no error.
pub(super) fn print(text: &str) -> Result<(), WriteError> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(WriteError {
            target: "standard output".to_owned(),
            source: error,
        }),
        _ => Ok(()),
    }
}

/// Writes to the file, or to stdout where none is named.
pub(super) fn write(file: Option<&Path>, text: &str) -> Result<(), WriteError> {
    match file {
        None => print(text),
        Some(path) => std::fs::write(path, text).map_err(|source| WriteError {
            target: path.display().to_string(),
            source,
        }),
    }
}

/// A table whose columns are as wide as they need to be, separated by two spaces.
pub(super) fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line += &format!("{cell:width$}  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
