// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a console's clients come to: one at a time.

use std::fmt::Debug;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;

/// A port that is open, and where clients find it.
pub(super) type Open = (Box<dyn Port>, String);

/// Nothing in it waits. Its drop closes it.
pub(super) trait Port: Debug + Send {
    /// What is ready for reading when the next client is there; `None`: nothing tells, and one has to look.
    fn door(&self) -> Option<BorrowedFd<'_>>;

    /// Takes the next client, if there is one; whether there is.
    fn admit(&mut self) -> bool;

    /// The client's stream; `None`: there is no client.
    fn client(&self) -> Option<BorrowedFd<'_>>;

    /// Reads what the client has written; 0, or any error but [`Errno::AGAIN`] and [`Errno::INTR`]: it has gone.
    fn read(&self, bytes: &mut [u8]) -> Result<usize, Errno>;

    /// Writes what there is room for; any error but those: it has gone.
    fn write(&self, bytes: &[u8]) -> Result<usize, Errno>;

    /// Returns whether all that was written reaches a client without us.
    fn has_read_all(&self) -> bool;

    /// Lets the client go.
    fn dismiss(&mut self);

    /// A system call that it needs, and hardly any other console.
    fn call(&self) -> Option<u32> {
        None
    }
}
