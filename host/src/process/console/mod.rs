// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console: on [streams](stream) that are there all the time, or on a [port](port) to which clients come, and from
//! which they go, while the guest runs.

mod clients;
mod pty;
mod stream;

use std::fmt::Debug;
use std::fs::OpenOptions;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use paravirt_abi::error::Error;

use super::lines::LineHandle;
use super::port::{self, PortError, Reach, socket};
use crate::text::Escaped;
use clients::Clients;
use stream::Streams;

/// Input and output of a guest.
///
/// **Streams** ([`new`](Self::new), [`stdio`](Self::stdio), [`file`](Self::file)) are files, pipes, terminals. A
/// terminal is put into raw mode (no line editing, no echo) when the guest first asks for input or attaches the console
/// line, and put back when the guest has ended. Ctrl-C stays a signal. In the background the guest goes on, and its
/// input waits. Neither makes the guest's end wait, and both may be shared with other processes.
///
/// To a **port** ([`pty`](Self::pty), [`unix`](Self::unix), [`tcp`](Self::tcp)) clients come, one after the other, and
/// go, while the guest runs. Output that no client has taken yet is kept, up to [`KEPT`](Self::KEPT) bytes, for the one
/// that is there or the next that comes. When that is full,
///
/// * the guest waits for a client that is there, but is slow;
/// * without a client the oldest output is dropped, and counted in [`Finished::unread_output`];
/// * a console that [waits for its reader](Self::wait_for_reader) drops nothing: then the guest waits for the next one.
///
/// At the guest's end, a client that is there gets what is left; what nobody comes for is counted as well. What clients
/// write is the guest's input, which has no end: that one of them has gone, the guest is not told.
///
/// [`Finished::unread_output`]: super::Finished::unread_output
#[derive(Debug)]
pub struct Console(Box<dyn Device>);

/// A console could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsoleError {
    /// The file for the output.
    #[error("cannot open the file {path} for the console: {1}", path = Escaped(.0.display()))]
    File(PathBuf, #[source] io::Error),
    /// The system has no pseudo terminal for us.
    #[error("cannot open a pseudo terminal for the console: {0}; it takes a devpts file system at /dev/pts")]
    Pty(#[source] io::Error),
    /// The socket.
    #[error("console: {0}")]
    Port(#[from] PortError),
    /// The system has no descriptor for us by which threads wake each other.
    #[error("cannot make the console: eventfd: {0}")]
    Wakeup(#[source] io::Error),
}

impl Console {
    /// Bytes of output that are kept for a client.
    pub const KEPT: usize = 1 << 20;

    /// A console on these two.
    pub fn new(input: impl Into<OwnedFd>, output: impl Into<OwnedFd>) -> Self {
        Self::on_streams(Some(input.into()), output.into())
    }

    /// A console on standard input and output. If standard input is closed, the input has ended.
    ///
    /// # Errors
    /// If standard output is closed, or there are no file descriptors left.
    pub fn stdio() -> io::Result<Self> {
        // The standard library's have buffers, which nobody needs here.
        let input = rustix::stdio::stdin().try_clone_to_owned().ok();
        let output = rustix::stdio::stdout().try_clone_to_owned()?;
        Ok(Self::on_streams(input, output))
    }

    /// A console whose output goes to that file as it comes, in place of what was in it, which stays until a guest
    /// starts; the input has ended.
    ///
    /// # Errors
    /// [`ConsoleError::File`].
    pub fn file(path: impl AsRef<Path>) -> Result<Self, ConsoleError> {
        let path = path.as_ref();
        // A FIFO that nobody reads from is an error, and nothing to wait for.
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(flags)
            .open(path)
            .map_err(|source| ConsoleError::File(path.to_owned(), source))?;
        Ok(Self(Box::new(Streams::new(None, file.into()).replacing())))
    }

    /// A console on a new pseudo terminal in raw mode, of which [`place`](Self::place) is the name.
    ///
    /// # Errors
    /// [`ConsoleError::Pty`], [`ConsoleError::Wakeup`].
    pub fn pty() -> Result<Self, ConsoleError> {
        Self::on_port(pty::open()?)
    }

    /// A console on a new stream socket of that name. One that a dead process has left is replaced, anything else that
    /// has the name is an error. It is removed in the end, also if the process is killed: a process of its own sees to
    /// that, since a guest's thread may not ([`Builder::sandbox`](super::Builder::sandbox)).
    ///
    /// # Errors
    /// [`ConsoleError::Port`], [`ConsoleError::Wakeup`].
    pub fn unix(path: impl AsRef<Path>) -> Result<Self, ConsoleError> {
        Self::on_port(socket::unix(path.as_ref())?)
    }

    /// A console on a TCP port of that address; 0: any that is free, which [`place`](Self::place) says.
    ///
    /// # Errors
    /// [`ConsoleError::Port`], [`ConsoleError::Wakeup`].
    pub fn tcp(address: SocketAddr, reach: Reach) -> Result<Self, ConsoleError> {
        Self::on_port(socket::tcp(address, reach)?)
    }

    fn on_streams(input: Option<OwnedFd>, output: OwnedFd) -> Self {
        Self(Box::new(Streams::new(input, output)))
    }

    fn on_port(port: port::Open) -> Result<Self, ConsoleError> {
        let clients = Clients::new(port).map_err(ConsoleError::Wakeup)?;
        Ok(Self(Box::new(clients)))
    }

    /// Has the guest started only when a client has come, and no output dropped. No effect on streams.
    #[must_use]
    pub fn wait_for_reader(mut self) -> Self {
        self.0.wait_for_reader();
        self
    }

    /// Where clients find it: `/dev/pts/5`, `unix:PATH`, `tcp:127.0.0.1:4555`; `None` of streams.
    #[must_use]
    pub fn place(&self) -> Option<&str> {
        self.0.place()
    }

    /// For a guest.
    pub(super) fn device(self) -> Box<dyn Device> {
        self.0
    }
}

/// What a guest's console is on. What is so of most devices is said here.
pub(super) trait Device: Debug + Send + Sync {
    /// See [`Console::wait_for_reader`].
    fn wait_for_reader(&mut self) {}

    /// See [`Console::place`].
    fn place(&self) -> Option<&str> {
        None
    }

    /// A guest starts that was not refused: what its output replaces goes.
    ///
    /// # Errors
    /// The system's.
    fn clear(&self) -> io::Result<()> {
        Ok(())
    }

    /// From now on, a reader who goes away ends the guest as SIGPIPE would, where no other can come.
    fn end_with_its_reader(&self) {}

    /// Why output was lost, if any was that nothing can be written to any more.
    fn failure(&self) -> Option<io::Error> {
        None
    }

    /// Bytes of output for which there was no client.
    fn unread_output(&self) -> u64 {
        0
    }

    /// Why the guest could not have its input, if it has asked for it: the first reason.
    fn refusal(&self) -> Option<io::Error> {
        None
    }

    /// Returns whether the input is a terminal of whoever started the program.
    fn is_terminal(&self) -> bool {
        false
    }

    /// A system call that it needs while the guest runs, and hardly any other device.
    fn call(&self) -> Option<u32> {
        None
    }

    /// Waits for the first client, if it is to, or until the guest is to be left. On the vCPU's thread, before the
    /// guest.
    fn await_reader(&self) {}

    /// Begins to serve clients, see [`port::Service::begin`].
    ///
    /// # Errors
    /// If the system refuses the thread.
    fn begin(&self) -> io::Result<()> {
        Ok(())
    }

    /// Writes; how many bytes were taken. Fewer only if the guest is to be left or the output failed midway.
    fn write(&self, bytes: &[u8]) -> Result<usize, Error>;

    /// Writes a text that the guest has left, of one line at most. On the vCPU's thread, behind the guest, where nobody
    /// waits for long.
    fn write_last(&self, bytes: &[u8]);

    /// Returns whether clients come and go, and with them input and output.
    fn has_clients(&self) -> bool {
        false
    }

    /// Returns whether there may be input that the guest does not know of yet, and soon will.
    fn is_coming(&self) -> bool {
        false
    }

    /// Takes what has been read, at most `size` bytes, and whether more is there.
    fn read(&self, size: usize) -> Result<(Vec<u8>, bool), Error>;

    /// Starts to read, if that has not been done. `line` is raised when input has come or ended. `waits`: the guest waits
    /// until there is input, so that it has the same in each run; but not for clients, nor somebody at a terminal.
    fn start(&self, line: LineHandle, waits: bool) -> Result<(), Error>;

    /// Gives the client what is left: until it has it or is gone. `is_over` says that there is no more time; somebody
    /// may [give up](Self::give_up), or have asked for the guest's end before (`is_asked`). Then the client has a
    /// moment only. If the rest is lost by that, the code of the stop. On the vCPU's thread, behind the guest.
    fn drain(&self, _is_asked: bool, _is_over: &dyn Fn() -> bool) -> Option<i32> {
        None
    }

    /// Asks for the end of [`drain`](Self::drain), by that signal; whether that is what the vCPU's thread is at, and
    /// nobody has asked before. For signal handlers.
    fn give_up(&self, _signal: i32) -> bool {
        false
    }

    /// Ends reading, restores the terminal, removes the socket.
    fn finish(&self);
}

/// Says what the system has refused.
fn refused(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
