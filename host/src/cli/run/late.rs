// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that are written when the guest has ended.
//!
//! By then a guest's thread is confined for good and may not make files: whoever has taken it over could make any. So a
//! process of its own does, that was started before the guest. It knows the names, gets what is to be in the files, and
//! writes it as all that a user names is written: whole or not at all.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use pvhost::text::Escaped;

use crate::cli::read;
use crate::cli::replace::{self, Mode, Target};

/// A file cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum LateError {
    #[error("cannot write {}: {source}", Escaped(.file.display()))]
    Write { file: PathBuf, source: io::Error },
    #[error("{} is the guest, which would be lost; give the result another name", Escaped(.0.display()))]
    Guest(PathBuf),
    #[error("cannot start the process that writes files when the guest has ended: {0}")]
    Process(io::Error),
}

/// A file that may be written. If it never is, what was there stays.
#[derive(Debug)]
pub(super) struct LateFile {
    file: PathBuf,
    /// Its other end is the process that writes the file.
    writer: UnixStream,
}

impl LateFile {
    /// The file of that name, for a result about that guest. To be called as long as this program has one thread.
    pub(super) fn new(file: &Path, guest: &Path) -> Result<Self, LateError> {
        let file = file.to_owned();
        let target = Target::find(&file).map_err(|source| LateError::Write {
            file: file.clone(),
            source,
        })?;
        if target.is_file(read::name(guest)) {
            return Err(LateError::Guest(file));
        }
        let (near, far) = UnixStream::pair().map_err(LateError::Process)?;
        // SAFETY: there is one thread, so that the child may do what a program may.
        match unsafe { libc::fork() } {
            -1 => Err(LateError::Process(io::Error::last_os_error())),
            0 => {
                drop(near);
                write_in_the_end(far, &target);
                // SAFETY: it does not return. What the parent has in its buffers is the parent's to write.
                unsafe { libc::_exit(0) }
            }
            _ => Ok(Self { file, writer: near }),
        }
    }

    /// Returns whether its name says that it is a picture.
    pub(super) fn is_svg(&self) -> bool {
        self.file
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("svg"))
    }

    /// Writes the file, of this content.
    pub(super) fn write(mut self, content: &[u8]) -> Result<(), LateError> {
        let mut answer = String::new();
        let length = (content.len() as u64).to_le_bytes();
        let sent = (self.writer.write_all(&length)).and_then(|()| self.writer.write_all(content));
        let answered = self.writer.read_to_string(&mut answer);
        let source = match (sent, answered) {
            (Ok(()), Ok(_)) if answer == DONE => return Ok(()),
            (_, Ok(1..)) => io::Error::other(answer),
            (Err(error), _) | (_, Err(error)) => error,
            (Ok(()), Ok(0)) => io::Error::other("the process that writes it has ended"),
        };
        Err(LateError::Write {
            file: self.file,
            source,
        })
    }
}

/// The answer where nothing went wrong.
const DONE: &str = "done";

/// Waits for the content, before which its length comes. Of a program that dies meanwhile there is none to write, or
/// not all.
fn write_in_the_end(mut from: UnixStream, target: &Target) {
    // Requests to end are for the program, and whatever ends that ends this.
    let _ = rustix::process::setsid();
    if rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).is_err() {
        return;
    }
    let mut length = [0; size_of::<u64>()];
    if from.read_exact(&mut length).is_err() {
        return;
    }
    let length = u64::from_le_bytes(length);
    let mut content = Vec::new();
    match (&from).take(length).read_to_end(&mut content) {
        Ok(read) if read as u64 == length => {}
        _ => return,
    }
    let answer = match replace::write(target, &content, Mode::Usual) {
        Ok(()) => DONE.to_owned(),
        Err(error) => error.to_string(),
    };
    let _ = from.write_all(answer.as_bytes());
}
