// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that a user names, of which `-` is standard input. Each is read to a limit: it may be endless.

use std::fs::File;
use std::io::{self, Read};
#[cfg(process_host)]
use std::os::fd::AsFd;
use std::path::Path;
#[cfg(process_host)]
use std::time::Instant;

use pvhost::image::{Image, OpenError};
#[cfg(process_host)]
use pvhost::streams::{self, Timely};
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

/// Returns whether that is standard input.
pub(super) fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// A name under which the system knows the file.
pub(super) fn name(file: &Path) -> &Path {
    if is_stdin(file) { Path::new("/dev/stdin") } else { file }
}

/// The image of a guest.
pub(super) fn image(file: &Path) -> Result<Image, OpenError> {
    if is_stdin(file) {
        return Image::read("-", io::stdin().lock(), Vec::new());
    }
    let name = file.display().to_string();
    match File::open(file).and_then(|open| Ok((open.metadata()?.len(), open))) {
        Ok((length, open)) => Image::read(name, open, buffer(length)),
        Err(source) => Err(OpenError::Read(name, source)),
    }
}

/// The same, but it comes before `end`, or reading it fails with [`io::ErrorKind::TimedOut`]: a pipe may never have
/// anybody who writes to it.
#[cfg(process_host)]
pub(super) fn image_until(file: &Path, end: Instant) -> Result<Image, OpenError> {
    let name = file.display().to_string();
    let open = || -> io::Result<_> {
        if is_stdin(file) {
            return Ok((0, io::stdin().as_fd().try_clone_to_owned()?));
        }
        let open = streams::open_at_once(file)?;
        Ok((open.metadata()?.len(), open.into()))
    };
    match open() {
        Ok((length, open)) => Image::read(name, Timely::reader(open, end), buffer(length)),
        Err(source) => Err(OpenError::Read(name, source)),
    }
}

/// Room for a file of that length. The system brings its memory at once: page by page, as the file is read, takes a
/// twentieth of the time from the start of `pvhost run hello` to its exit, and more of that of a larger guest.
fn buffer(length: u64) -> Vec<u8> {
    /// More is brought as it is needed: a file may be much shorter than it says.
    const AT_ONCE: u64 = 16 << 20;
    // With the room for a last read, which finds the end.
    let buffer = Vec::with_capacity(length.min(AT_ONCE) as usize + 64);
    #[cfg(process_host)]
    populate(&buffer);
    buffer
}

#[cfg(process_host)]
fn populate(buffer: &Vec<u8>) {
    const PAGE: usize = 4096;
    let start = buffer.as_ptr() as usize;
    let (first, end) = (start.next_multiple_of(PAGE), start + buffer.capacity());
    if first < end {
        // SAFETY: whole pages of the buffer, and the last one, which holds its end; nothing in them changes. Linux
        // before 5.14 refuses, and does it as ever.
        unsafe { libc::madvise(first as *mut _, end - first, libc::MADV_POPULATE_WRITE) };
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
