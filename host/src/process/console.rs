// SPDX-License-Identifier: MIT OR Apache-2.0
//! The console: output as it comes, input by a thread of its own that raises the console line.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use paravirt_abi::error::Error;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;

use super::lines::LineHandle;
use super::signals;
use super::state::STATE;
use crate::terminal::RawMode;

/// Bytes of input that may wait for the guest.
const CAPACITY: usize = 64 * 1024;
/// Bytes read at a time.
const CHUNK: usize = 4096;

/// Input and output of a guest: files, pipes, terminals.
///
/// A terminal is put into raw mode (no line editing, no echo) when the guest first asks for input or attaches the console
/// line, and put back when the guest has ended. Ctrl-C stays a signal.
#[derive(Debug)]
pub struct Console {
    input: Option<OwnedFd>,
    output: OwnedFd,
    reader: Mutex<Option<Reader>>,
}

impl Console {
    /// A console on these two.
    pub fn new(input: impl Into<OwnedFd>, output: impl Into<OwnedFd>) -> Self {
        Self {
            input: Some(input.into()),
            output: output.into(),
            reader: Mutex::new(None),
        }
    }

    /// A console on standard input and output. If standard input is closed, the input has ended.
    ///
    /// # Errors
    /// If standard output is closed, or there are no file descriptors left.
    pub fn stdio() -> io::Result<Self> {
        Ok(Self {
            input: io::stdin().as_fd().try_clone_to_owned().ok(),
            output: io::stdout().as_fd().try_clone_to_owned()?,
            reader: Mutex::new(None),
        })
    }

    /// Whether the input is a terminal.
    pub(super) fn is_terminal(&self) -> bool {
        self.input.as_ref().is_some_and(IsTerminal::is_terminal)
    }

    /// Writes; how many bytes were taken. Fewer only if the guest is to be left or the output failed midway.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<usize, Error> {
        let mut taken = 0;
        while taken < bytes.len() && !STATE.stopping() {
            match rustix::io::write(&self.output, &bytes[taken..]) {
                Ok(count) => taken += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    // An interrupted wait looks at the reason by itself.
                    let _ = poll(&mut [PollFd::new(&self.output, PollFlags::OUT)], None);
                }
                Err(_) if taken > 0 => break,
                Err(_) => return Err(Error::Device),
            }
        }
        Ok(taken)
    }

    /// Takes what has been read, at most `size` bytes, and whether more is there.
    pub(super) fn read(&self, size: usize) -> Result<(Vec<u8>, bool), Error> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(reader) = reader.as_ref() else {
            return Err(Error::EndOfInput);
        };
        let mut buffer = reader.shared.buffer();
        if buffer.bytes.is_empty() && buffer.ended && size > 0 {
            return Err(Error::EndOfInput);
        }
        let count = size.min(buffer.bytes.len());
        let taken = buffer.bytes.drain(..count).collect();
        reader.shared.space.notify_one();
        Ok((taken, !buffer.bytes.is_empty()))
    }

    /// Starts to read, if that has not been done. `line` is raised when input has come or ended.
    pub(super) fn start(&self, line: LineHandle) -> Result<(), Error> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        if reader.is_none() {
            let started = Reader::start(self.input.as_ref(), line);
            *reader = Some(started.map_err(|_| Error::Device)?);
        }
        Ok(())
    }

    /// Ends reading and restores the terminal.
    pub(super) fn finish(&self) {
        self.reader
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

/// What the reader's thread has read and the guest has not.
#[derive(Debug, Default)]
struct Buffer {
    bytes: VecDeque<u8>,
    ended: bool,
    cancelled: bool,
}

#[derive(Debug, Default)]
struct Shared {
    buffer: Mutex<Buffer>,
    space: Condvar,
}

impl Shared {
    fn buffer(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread that reads.
#[derive(Debug)]
struct Reader {
    shared: Arc<Shared>,
    cancel: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
    /// Refers to the console's own handle, since the thread closes its copy when the input ends.
    _raw: Option<RawMode>,
}

impl Reader {
    fn start(input: Option<&OwnedFd>, line: LineHandle) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let cancel = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let Some(input) = input else {
            shared.buffer().ended = true;
            line.raise();
            return Ok(Self {
                shared,
                cancel,
                thread: None,
                _raw: None,
            });
        };
        let raw = RawMode::enter(input.as_fd());
        let thread = {
            let input = input.try_clone()?;
            let (shared, cancel) = (Arc::clone(&shared), Arc::clone(&cancel));
            signals::with_blocked(|_| {
                thread::Builder::new()
                    .name("console input".into())
                    .spawn(move || read_all(&input, &cancel, &shared, &line))
            })?
        };
        Ok(Self {
            shared,
            cancel,
            thread: Some(thread),
            _raw: raw,
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.buffer().cancelled = true;
        self.shared.space.notify_one();
        let one = 1_u64.to_ne_bytes();
        let cancelled = rustix::io::write(&*self.cancel, &one).is_ok();
        if let Some(thread) = self.thread.take()
            && cancelled
        {
            // It only fails if the thread panicked, which was reported.
            let _ = thread.join();
        }
    }
}

fn read_all(input: &OwnedFd, cancel: &OwnedFd, shared: &Shared, line: &LineHandle) {
    let mut chunk = [0; CHUNK];
    loop {
        let count = match wait_and_read(input, cancel, &mut chunk) {
            Some(count) => count,
            None => return,
        };
        let mut buffer = shared.buffer();
        while count > 0 && buffer.bytes.len() >= CAPACITY && !buffer.cancelled {
            buffer = shared
                .space
                .wait(buffer)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if buffer.cancelled {
            return;
        }
        buffer.bytes.extend(&chunk[..count]);
        buffer.ended = count == 0;
        drop(buffer);
        line.raise();
        if count == 0 {
            return;
        }
    }
}

/// Number of bytes read, 0 at the end of the input or if it fails, `None` if reading is to end.
fn wait_and_read(input: &OwnedFd, cancel: &OwnedFd, chunk: &mut [u8]) -> Option<usize> {
    loop {
        let mut ready = [
            PollFd::new(input, PollFlags::IN),
            PollFd::new(cancel, PollFlags::IN),
        ];
        match poll(&mut ready, None) {
            Ok(_) if !ready[1].revents().is_empty() => return None,
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => return Some(0),
        }
        match rustix::io::read(input, &mut *chunk) {
            Ok(count) => return Some(count),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => return Some(0),
        }
    }
}
