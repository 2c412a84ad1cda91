// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is to be written, on its way to who reads it.

use std::io;
use std::os::fd::AsFd;

use rustix::event::PollFd;
use rustix::io::Errno;

use crate::streams::Stream;

/// More is not taken from the guest before some has gone out, in bytes.
const CAPACITY: usize = 64 * 1024;

/// Bytes that wait to be written.
#[derive(Debug)]
pub(super) struct Output {
    stream: Stream,
    waiting: Vec<u8>,
    /// The first error. What could not be written is lost.
    failure: Option<Errno>,
}

impl Output {
    /// To that file.
    pub(super) fn to(file: impl AsFd) -> io::Result<Self> {
        Ok(Self {
            stream: Stream::writer(file.as_fd().try_clone_to_owned()?),
            waiting: Vec::new(),
            failure: None,
        })
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// To wait for the file, if something waits for it.
    pub(super) fn wanted(&self) -> Option<PollFd<'_>> {
        (!self.waiting.is_empty()).then(|| self.stream.poll_fd())
    }

    /// Returns whether there is room for more.
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < CAPACITY
    }

    /// Writes what can be written without waiting.
    pub(super) fn write(&mut self) {
        match self.stream.write(&self.waiting) {
            Ok(count) => drop(self.waiting.drain(..count)),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => {
                self.failure.get_or_insert(error);
                self.waiting.clear();
            }
        }
    }

    /// Why it could not be written.
    pub(super) fn failure(&self) -> Option<Errno> {
        self.failure
    }
}
