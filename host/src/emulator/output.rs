// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's output on its way to standard output.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

/// More is not taken from the guest before some has gone out, in bytes.
const CAPACITY: usize = 64 * 1024;
/// What a pipe that is ready takes without making us wait.
const AT_ONCE: usize = 4096;

/// Bytes that wait to be written.
#[derive(Debug)]
pub(super) struct Output {
    file: OwnedFd,
    waiting: Vec<u8>,
}

impl Output {
    /// Standard output.
    pub(super) fn stdout() -> io::Result<Self> {
        Ok(Self {
            file: io::stdout().as_fd().try_clone_to_owned()?,
            waiting: Vec::new(),
        })
    }

    pub(super) fn push(&mut self, byte: u8) {
        self.waiting.push(byte);
    }

    /// The file, if something waits for it.
    pub(super) fn wanted(&self) -> Option<BorrowedFd<'_>> {
        (!self.waiting.is_empty()).then(|| self.file.as_fd())
    }

    /// Whether there is room for more.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < CAPACITY
    }

    /// Writes what can be written without waiting, once the file is ready.
    pub(super) fn write(&mut self) -> io::Result<()> {
        let size = self.waiting.len().min(AT_ONCE);
        match rustix::io::write(&self.file, &self.waiting[..size]) {
            Ok(count) => {
                self.waiting.drain(..count);
                Ok(())
            }
            Err(Errno::INTR | Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
