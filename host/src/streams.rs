// SPDX-License-Identifier: MIT OR Apache-2.0
//! Streams of whoever started the program, read and written without waiting: who waits for them could not be ended.
//!
//! Whether a pipe or a terminal makes its user wait belongs to what all who share it have open in common, so it is not for us to
//! change. Neither is it enough to ask first: of several that share a pipe one takes what another was told of. So a pipe and a
//! terminal are opened once more, for us alone.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::termios::isatty;

/// What a pipe or a terminal that is ready takes without making anybody wait, in bytes.
const AT_ONCE: usize = 4096;

/// One end of a stream.
#[derive(Debug)]
pub struct Stream {
    /// As it was given. It is the one to ask whether it is ready: a FIFO that is opened after its writer has gone does not tell of
    /// its end.
    file: OwnedFd,
    direction: PollFlags,
    way: Way,
}

/// How not to wait.
#[derive(Debug)]
enum Way {
    /// By the same stream, opened once more.
    Twin(OwnedFd),
    /// By a flag of each call.
    Socket,
    /// By asking first: the system does not let us open it, as a terminal of another user.
    Ask,
    /// A file, which nobody has to wait for.
    File,
}

impl Way {
    fn of(file: &OwnedFd, access: OFlags) -> Self {
        match fstat(file).map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Ok(FileType::Socket) => Self::Socket,
            Ok(FileType::Fifo) => Self::twin(file, access),
            Ok(FileType::CharacterDevice) if isatty(file) => Self::twin(file, access),
            _ => Self::File,
        }
    }

    fn twin(file: &OwnedFd, access: OFlags) -> Self {
        let name = format!("/proc/self/fd/{}", file.as_raw_fd());
        let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        open(name, flags, Mode::empty()).map_or(Self::Ask, Self::Twin)
    }
}

impl Stream {
    /// To read from.
    #[must_use]
    pub fn reader(file: OwnedFd) -> Self {
        let way = Way::of(&file, OFlags::RDONLY);
        Self {
            file,
            direction: PollFlags::IN,
            way,
        }
    }

    /// To write to.
    #[must_use]
    pub fn writer(file: OwnedFd) -> Self {
        let way = Way::of(&file, OFlags::WRONLY);
        Self {
            file,
            direction: PollFlags::OUT,
            way,
        }
    }

    /// Reads what is there; 0 at its end.
    ///
    /// # Errors
    /// [`Errno::AGAIN`]: nothing now.
    pub fn read(&self, bytes: &mut [u8]) -> Result<usize, Errno> {
        match &self.way {
            Way::Twin(twin) => rustix::io::read(twin, bytes),
            Way::Socket => recv(&self.file, bytes, RecvFlags::DONTWAIT).map(|(count, _)| count),
            Way::Ask if !self.is_ready() => Err(Errno::AGAIN),
            Way::Ask | Way::File => rustix::io::read(&self.file, bytes),
        }
    }

    /// Writes what there is room for; how many bytes that was.
    ///
    /// # Errors
    /// [`Errno::AGAIN`]: there is no room now. [`Errno::PIPE`]: nobody reads any more.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        match &self.way {
            Way::Twin(twin) => rustix::io::write(twin, bytes),
            Way::Socket => send(&self.file, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            Way::Ask if !self.is_ready() => Err(Errno::AGAIN),
            Way::Ask => rustix::io::write(&self.file, &bytes[..bytes.len().min(AT_ONCE)]),
            Way::File => rustix::io::write(&self.file, bytes),
        }
    }

    /// Waits until it is ready, for that many milliseconds at most, or a signal has come.
    pub fn wait(&self, milliseconds: u32) {
        let timeout = Timespec {
            tv_sec: (milliseconds / 1000).into(),
            tv_nsec: (milliseconds % 1000 * 1_000_000).into(),
        };
        // Who asks looks again.
        let _ = poll(&mut [self.poll_fd()], Some(&timeout));
    }

    /// To wait for it and others.
    #[must_use]
    pub fn poll_fd(&self) -> PollFd<'_> {
        PollFd::new(&self.file, self.direction)
    }

    fn is_ready(&self) -> bool {
        let mut files = [self.poll_fd()];
        poll(&mut files, Some(&Timespec::default())).is_ok_and(|count| count > 0)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
