// SPDX-License-Identifier: MIT OR Apache-2.0
//! What clients come to, of a console or debuggers: one at a time.

pub(super) mod socket;

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd};
use rustix::io::Errno;

use super::{dispositions, lock};
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
            return Err(PortError::NotLoopback(address));
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
        Escaped(.0.display()))]
    SocketInUse(PathBuf),
    /// There is something else than a socket.
    #[error("{} exists and is no socket, so it is left as it is; name another one, or remove it",
        Escaped(.0.display()))]
    NoSocket(PathBuf),
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
    #[error("cannot listen on the socket {path}: {1}", path = Escaped(.0.display()))]
    Socket(PathBuf, #[source] io::Error),
    /// Others than this machine could connect.
    #[error(
        "the address {0} can be reached from the network, and whoever connects has the guest in hand; use \
        127.0.0.1 or [::1], or permit it"
    )]
    NotLoopback(SocketAddr),
    /// The system refuses the TCP port.
    #[error("cannot listen on {0}: {1}{remedy}",
        remedy =
            if .1.kind() == io::ErrorKind::AddrInUse { "; name another port, or 0 for any that is free" } else { "" })]
    Tcp(SocketAddr, #[source] io::Error),
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

/// A port and the thread that serves who comes there while the guest runs.
#[derive(Debug)]
pub(super) struct Service {
    /// Until the thread has it.
    port: Mutex<Option<Box<dyn Port>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    place: String,
    call: Option<u32>,
}

impl Service {
    pub(super) fn new((port, place): Open) -> Self {
        Self {
            call: port.call(),
            port: Mutex::new(Some(port)),
            thread: Mutex::new(None),
            place,
        }
    }

    /// Where clients find it.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// See [`Port::call`].
    pub(super) const fn call(&self) -> Option<u32> {
        self.call
    }

    /// The port; `None`: the thread has it.
    pub(super) fn port(&self) -> MutexGuard<'_, Option<Box<dyn Port>>> {
        lock(&self.port)
    }

    /// Starts the thread, unless that was done: last before the guest is entered, so that it is confined as the guest's
    /// is. `name`: for whom it is.
    ///
    /// # Errors
    /// If the system refuses it.
    pub(super) fn begin(&self, name: &str, serve: impl FnOnce(Box<dyn Port>) + Send + 'static) -> io::Result<()> {
        let Some(port) = self.port().take() else {
            return Ok(());
        };
        let builder = thread::Builder::new().name(name.into());
        let thread = dispositions::with_blocked(|_| builder.spawn(move || serve(port)))
            .map_err(|error| io::Error::new(error.kind(), format!("a thread for the {name}: {error}")))?;
        *lock(&self.thread) = Some(thread);
        Ok(())
    }

    /// Returns whether the thread runs.
    pub(super) fn is_running(&self) -> bool {
        lock(&self.thread).is_some()
    }

    /// Waits for the thread, which has been told to end, and closes the port.
    pub(super) fn finish(&self) {
        if let Some(thread) = lock(&self.thread).take() {
            // It only fails if the thread panicked, which was reported.
            let _ = thread.join();
        }
        // If there was none.
        self.port().take();
    }
}

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
