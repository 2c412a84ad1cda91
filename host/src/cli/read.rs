// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that a user names, of which `-` is standard input. Each is read to a limit: it may be endless.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use pvhost::image::{Image, OpenError};
use pvhost::text::Escaped;

/// More than any list has, in bytes.
const LARGEST_LIST: u64 = 16 << 20;

/// A list could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {source}; give a file with {fix}", file = Escaped(file))]
pub(super) struct ReadError {
    file: String,
    source: io::Error,
    /// What is in such a file.
    fix: &'static str,
}

/// Whether that is standard input.
pub(super) fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// A name under which the system knows the file.
pub(super) fn name(file: &Path) -> &Path {
    if is_stdin(file) {
        Path::new("/dev/stdin")
    } else {
        file
    }
}

/// The image of a guest.
pub(super) fn image(file: &Path) -> Result<Image, OpenError> {
    if is_stdin(file) {
        Image::read("-", io::stdin().lock())
    } else {
        Image::open(file)
    }
}

/// The text of a list, in which is what `fix` says.
pub(super) fn list(file: &Path, fix: &'static str) -> Result<String, ReadError> {
    let text = if is_stdin(file) {
        text(io::stdin().lock())
    } else {
        File::open(file).and_then(text)
    };
    text.map_err(|source| ReadError {
        file: file.display().to_string(),
        source,
        fix,
    })
}

fn text(file: impl Read) -> io::Result<String> {
    let mut text = String::new();
    let size = file.take(LARGEST_LIST + 1).read_to_string(&mut text)?;
    if size as u64 > LARGEST_LIST {
        let mib = LARGEST_LIST >> 20;
        let problem = format!("more than {mib} MiB, which no list has");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(text)
}

/// Refuses to read two files from standard input.
pub(super) fn check_stdin(files: &[&Path]) -> Result<(), clap::Error> {
    if files.iter().filter(|file| is_stdin(file)).count() > 1 {
        return Err(clap::Error::raw(
            clap::error::ErrorKind::ArgumentConflict,
            "only one file can be standard input; name the other one\n",
        ));
    }
    Ok(())
}
