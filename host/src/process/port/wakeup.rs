// SPDX-License-Identifier: MIT OR Apache-2.0
//! By which one thread wakes another that polls.

use std::os::fd::OwnedFd;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};
use rustix::io::Errno;

/// Stays set until it is cleared, so that none is missed.
#[derive(Debug)]
pub(in crate::process) struct Wakeup(OwnedFd);

impl Wakeup {
    pub(in crate::process) fn new() -> Result<Self, Errno> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map(Self)
    }

    /// For signal handlers as well.
    pub(in crate::process) fn set(&self) {
        // It only fails if it is set already.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    pub(in crate::process) fn clear(&self) {
        // It only fails if it is not set.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }

    /// Ready when it is set.
    pub(in crate::process) fn poll_fd(&self) -> PollFd<'_> {
        PollFd::new(&self.0, PollFlags::IN)
    }
}
