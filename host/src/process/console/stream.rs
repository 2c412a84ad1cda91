// SPDX-License-Identifier: MIT OR Apache-2.0
//! A console on two streams: output as it comes, input by a thread of its own that raises the console line, or, where
//! runs are to be the same, as the guest takes it.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

use paravirt_abi::error::Error;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::{Device, refused};
use crate::process::dispositions;
use crate::process::lines::LineHandle;
use crate::process::lock;
use crate::process::port::Wakeup;
use crate::process::signals::STATE;
use crate::streams::Stream;
use crate::terminal::{GLANCE, RawMode};

/// Bytes of input that may wait for the guest.
const CAPACITY: usize = 64 * 1024;
/// Bytes read at a time.
const CHUNK: usize = 4096;

/// Streams that are there from the guest's start to its end.
#[derive(Debug)]
pub(super) struct Streams {
    input: Option<Arc<Stream>>,
    output: OwnedFd,
    /// Whether the output takes the place of what is in its file.
    replaces: bool,
    reader: Mutex<Option<Reader>>,
    /// Whether there may be input that the reader has not taken yet.
    coming: Arc<AtomicBool>,
    /// Whether the guest ends when nobody reads its output any more.
    ends: AtomicBool,
    /// Why the input cannot be read, if it was asked for.
    refusal: OnceLock<io::Error>,
    /// The first error of a write; 0: none.
    failure: AtomicI32,
}

impl Streams {
    /// On these two. Without `input`, the input has ended.
    pub(super) fn new(input: Option<OwnedFd>, output: OwnedFd) -> Self {
        Self {
            input: input.map(Stream::reader).map(Arc::new),
            output,
            replaces: false,
            reader: Mutex::new(None),
            coming: Arc::default(),
            ends: AtomicBool::new(false),
            failure: AtomicI32::new(0),
            refusal: OnceLock::new(),
        }
    }

    /// The output takes the place of what is in its file.
    pub(super) const fn replacing(mut self) -> Self {
        self.replaces = true;
        self
    }

    fn fail(&self, error: Errno) {
        let none = 0;
        let _ = self
            .failure
            .compare_exchange(none, error.raw_os_error(), Ordering::Relaxed, Ordering::Relaxed);
        if error == Errno::PIPE && self.ends.load(Ordering::Relaxed) {
            STATE.stop(libc::SIGPIPE);
        }
    }
}

impl Device for Streams {
    fn clear(&self) -> io::Result<()> {
        if !self.replaces {
            return Ok(());
        }
        match rustix::fs::ftruncate(&self.output, 0) {
            // A device or a FIFO, which has no size.
            Err(Errno::INVAL) => Ok(()),
            result => Ok(result?),
        }
    }

    fn end_with_its_reader(&self) {
        self.ends.store(true, Ordering::Relaxed);
    }

    fn failure(&self) -> Option<io::Error> {
        match self.failure.load(Ordering::Relaxed) {
            0 => None,
            error => Some(io::Error::from_raw_os_error(error)),
        }
    }

    fn refusal(&self) -> Option<io::Error> {
        let error = self.refusal.get()?;
        Some(io::Error::new(error.kind(), error.to_string()))
    }

    fn is_terminal(&self) -> bool {
        self.input.as_ref().is_some_and(|input| input.as_fd().is_terminal())
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, Error> {
        let mut taken = 0;
        while taken < bytes.len() && !STATE.stopping() {
            // Who asks for the guest's end interrupts this again and again.
            match rustix::io::write(&self.output, &bytes[taken..]) {
                Ok(count) => taken += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    let _ = poll(&mut [PollFd::new(&self.output, PollFlags::OUT)], None);
                }
                Err(error) => {
                    self.fail(error);
                    if taken > 0 {
                        break;
                    }
                    return Err(Error::Device);
                }
            }
        }
        Ok(taken)
    }

    fn write_last(&self, bytes: &[u8]) {
        const GRACE: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 200_000_000,
        };
        // Where a pipe has room, it has room for a line.
        let mut files = [PollFd::new(&self.output, PollFlags::OUT)];
        if poll(&mut files, Some(&GRACE)) == Ok(1)
            && let Err(error) = rustix::io::write(&self.output, bytes)
        {
            self.fail(error);
        }
    }

    fn is_coming(&self) -> bool {
        self.coming.load(Ordering::Acquire)
    }

    fn read(&self, size: usize) -> Result<(Vec<u8>, bool), Error> {
        let reader = lock(&self.reader);
        let Some(reader) = reader.as_ref() else {
            return Err(Error::EndOfInput);
        };
        let mut buffer = lock(&reader.shared.buffer);
        if buffer.bytes.is_empty() && buffer.ended && size > 0 {
            return Err(Error::EndOfInput);
        }
        let count = size.min(buffer.bytes.len());
        let taken = buffer.bytes.drain(..count).collect();
        match &reader.source {
            Source::Thread(..) => reader.shared.space.notify_one(),
            Source::Direct(stream) => fill(stream, &mut buffer),
            Source::Nothing => {}
        }
        Ok((taken, !buffer.bytes.is_empty()))
    }

    fn start(&self, line: LineHandle, waits: bool) -> Result<(), Error> {
        let mut reader = lock(&self.reader);
        if reader.is_none() {
            let started = Reader::start(self.input.as_ref(), line, &self.coming, waits);
            *reader = Some(started.map_err(|error| {
                // The guest may ask again.
                let _ = self.refusal.set(error);
                Error::Device
            })?);
        }
        Ok(())
    }

    fn finish(&self) {
        lock(&self.reader).take();
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

/// Who reads.
#[derive(Debug)]
struct Reader {
    shared: Arc<Shared>,
    source: Source,
    _raw: Option<Arc<RawMode>>,
}

/// From where the buffer is filled.
#[derive(Debug)]
enum Source {
    Nothing,
    /// The stream, whenever the guest has taken something.
    Direct(Arc<Stream>),
    /// A thread, and what ends it.
    Thread(Option<JoinHandle<()>>, Arc<Wakeup>),
}

impl Reader {
    fn start(input: Option<&Arc<Stream>>, line: LineHandle, coming: &Arc<AtomicBool>, waits: bool) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let Some(input) = input else {
            lock(&shared.buffer).ended = true;
            line.raise();
            return Ok(Self {
                shared,
                source: Source::Nothing,
                _raw: None,
            });
        };
        if waits && !input.as_fd().is_terminal() {
            fill(input, &mut lock(&shared.buffer));
            line.raise();
            return Ok(Self {
                shared,
                source: Source::Direct(Arc::clone(input)),
                _raw: None,
            });
        }
        let cancel = Arc::new(Wakeup::new().map_err(|error| refused("eventfd", &error.into()))?);
        let raw = RawMode::enter(input.as_fd()).map(Arc::new);
        let thread = {
            let input = Input {
                stream: Arc::clone(input),
                cancel: Arc::clone(&cancel),
                terminal: raw.clone(),
                coming: Arc::clone(coming),
            };
            coming.store(true, Ordering::Release);
            let shared = Arc::clone(&shared);
            dispositions::with_blocked(|_| {
                thread::Builder::new()
                    .name("console input".into())
                    .spawn(move || read_all(&input, &shared, &line))
            })
            .map_err(|error| refused("a thread", &error))?
        };
        Ok(Self {
            shared,
            source: Source::Thread(Some(thread), cancel),
            _raw: raw,
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let Source::Thread(thread, cancel) = &mut self.source else {
            return;
        };
        lock(&self.shared.buffer).cancelled = true;
        self.shared.space.notify_one();
        cancel.set();
        if let Some(thread) = thread.take() {
            // It only fails if the thread panicked, which was reported.
            let _ = thread.join();
        }
    }
}

/// What the thread reads from.
struct Input {
    stream: Arc<Stream>,
    cancel: Arc<Wakeup>,
    terminal: Option<Arc<RawMode>>,
    coming: Arc<AtomicBool>,
}

impl Input {
    fn set_coming(&self, coming: bool) {
        self.coming.store(coming, Ordering::Release);
    }
}

/// On the guest's thread: waits until there is a chunk, or the end, or the guest is to be left.
fn fill(stream: &Stream, buffer: &mut Buffer) {
    let mut chunk = [0; CHUNK];
    while buffer.bytes.len() < CHUNK && !buffer.ended && !STATE.stopping() {
        // Who asks for the guest's end interrupts this again and again.
        let read = match poll(&mut [stream.poll_fd()], None) {
            Ok(_) => stream.read(&mut chunk),
            Err(error) => Err(error),
        };
        match read {
            Ok(0) => buffer.ended = true,
            Ok(count) => buffer.bytes.extend(&chunk[..count]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => buffer.ended = true,
        }
    }
}

fn read_all(input: &Input, shared: &Shared, line: &LineHandle) {
    let mut chunk = [0; CHUNK];
    loop {
        let count = match input.wait_and_read(&mut chunk) {
            Some(count) => count,
            None => return,
        };
        let mut buffer = lock(&shared.buffer);
        if buffer.bytes.len() >= CAPACITY {
            input.set_coming(false);
        }
        while count > 0 && buffer.bytes.len() >= CAPACITY && !buffer.cancelled {
            buffer = shared.space.wait(buffer).unwrap_or_else(PoisonError::into_inner);
        }
        if buffer.cancelled {
            return;
        }
        buffer.bytes.extend(&chunk[..count]);
        buffer.ended = count == 0;
        drop(buffer);
        line.raise();
        if count == 0 {
            input.set_coming(false);
            return;
        }
    }
}

impl Input {
    /// Number of bytes read, 0 at the end of the input or if it fails, `None` if reading is to end.
    fn wait_and_read(&self, chunk: &mut [u8]) -> Option<usize> {
        let glance = Timespec::try_from(GLANCE).ok();
        loop {
            let may_read = self.terminal.as_ref().is_none_or(|raw| raw.refresh());
            let mut ready = vec![self.cancel.poll_fd()];
            if may_read {
                ready.push(self.stream.poll_fd());
            }
            let glance = self.terminal.as_ref().and(glance.as_ref());
            let polled = match poll(&mut ready, Some(&Timespec::default())) {
                // The guest need not wait for that.
                Ok(0) => {
                    self.set_coming(false);
                    poll(&mut ready, glance)
                }
                polled => polled,
            };
            self.set_coming(true);
            match polled {
                Ok(_) if !ready[0].revents().is_empty() => return None,
                Ok(count) if count > 0 => {}
                Ok(_) | Err(Errno::INTR) => continue,
                Err(_) => return Some(0),
            }
            // Meanwhile we may have been put into the background.
            if self.terminal.as_ref().is_some_and(|raw| !raw.refresh()) {
                continue;
            }
            match self.stream.read(chunk) {
                Ok(count) => return Some(count),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(_) => return Some(0),
            }
        }
    }
}
