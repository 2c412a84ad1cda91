// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where results go.

use std::io::{self, Write};
use std::path::Path;

use pvhost::text::Escaped;

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
            target: Escaped(path.display()).to_string(),
            source,
        }),
    }
}
