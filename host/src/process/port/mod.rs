// SPDX-License-Identifier: MIT OR Apache-2.0
//! What clients come to, of a console or debuggers: one at a time.

pub(super) mod socket;
mod socket_file;
pub(super) mod wakeup;

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use rustix::io::Errno;

use crate::text::Escaped;

/// From where clients of a TCP port may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// From this machine: the address has to be one of its loopback's, as 127.0.0.1 and ::1.
    Machine,
    /// From wherever the network leads. Nobody asks them who they are.
    Network,
}

impl Reach {
    /// Makes sure that clients of that address come from nowhere else.
    ///
    /// # Errors
    /// [`PortError::NotLoopback`] if they may.
    pub fn check(self, address: SocketAddr) -> Result<(), PortError> {
        if self == Self::Machine && !address.ip().to_canonical().is_loopback() {
            return Err(PortError::NotLoopback { address });
        }
        Ok(())
    }
}

/// A socket could not be opened to which clients come.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PortError {
    /// A process has the socket.
    #[error("the socket {} is in use by another process; name another one, or end that process",
        Escaped(.path.display()))]
    SocketInUse {
        /// Its name.
        path: PathBuf,
    },
    /// There is something else than a socket.
    #[error("{} exists and is no socket, so it is left as it is; name another one, or remove it",
        Escaped(.path.display()))]
    NoSocket {
        /// Its name.
        path: PathBuf,
    },
    /// More than Linux has room for.
    #[error("the name of a socket has {most} bytes at most, and {} has {}; name a shorter one, or one relative to the \
        folder that you are in", Escaped(.path.display()), .path.as_os_str().len())]
    SocketNameTooLong {
        /// The name.
        path: PathBuf,
        /// Bytes that it may have.
        most: usize,
    },
    /// The system refuses the socket.
    #[error("cannot listen on the socket {}: {source}", Escaped(.path.display()))]
    Socket {
        /// Its name.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Others than this machine could connect.
    #[error(
        "the address {address} can be reached from the network, and whoever connects has the guest in hand; use \
        127.0.0.1 or [::1], or permit it"
    )]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The system refuses the TCP port.
    #[error("cannot listen on {address}: {source}{}",
        if .source.kind() == io::ErrorKind::AddrInUse { "; name another port, or 0 for any that is free" } else { "" })]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
}

/// A port that is open, and where clients find it.
pub(super) type Open = (Box<dyn Port>, String);

/// Nothing in it waits. Its drop closes it.
pub(super) trait Port: Debug + Send {
    /// What is ready for reading when the next client is there; `None`: nothing tells, and one has to look.
    fn door(&self) -> Option<BorrowedFd<'_>>;

    /// Takes the next client, if there is one; whether there is.
    fn admit(&mut self) -> bool;

    /// Lets the next client go that is at the door while another is there.
    fn turn_away(&self) {}

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

    /// A system call that it needs, and hardly any other port.
    fn call(&self) -> Option<u32> {
        None
    }
}
