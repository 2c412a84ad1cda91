// SPDX-License-Identifier: MIT OR Apache-2.0
//! Streams of whoever started the program, read and written without waiting: who waits for them could not be ended.
//!
//! Whether a pipe or a terminal makes its user wait belongs to what all who share it have open in common, so it is not
//! for us to change. Neither is it enough to ask first: of several that share a pipe one takes what another was told
//! of. So a pipe and a terminal are opened once more, for us alone.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSliceMut, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::termios::isatty;

/// What a pipe or a terminal that is ready takes without making anybody wait, in bytes.
const AT_ONCE: usize = 4096;

/// One end of a stream.
#[derive(Debug)]
pub struct Stream {
    /// As it was given. It is the one to ask whether it is ready: a FIFO that is opened after its writer has gone does
    /// not tell of its end.
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
    /// By asking first: it is not to be opened, or the system does not let us, as a terminal of another user.
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
            Way::Ask => read_now(&self.file, bytes),
            Way::File => rustix::io::read(&self.file, bytes),
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
            Way::Ask => write_as_it_is(&self.file, bytes),
            Way::File => rustix::io::write(&self.file, bytes),
        }
    }

    /// Waits until it is ready, for that many milliseconds at most, or a signal has come.
    pub fn wait(&self, milliseconds: u32) {
        is_ready(self.poll_fd(), milliseconds);
    }

    /// To wait for it and others.
    #[must_use]
    pub fn poll_fd(&self) -> PollFd<'_> {
        PollFd::new(&self.file, self.direction)
    }

    fn is_ready(&self) -> bool {
        is_ready(self.poll_fd(), 0)
    }
}

/// Writes what there is room for to a stream as it is, without opening anything, which a sandbox may not permit and
/// takes its time; how many bytes that was. Where several write, one may take the room that another was told of.
///
/// # Errors
/// As of [`Stream::write`].
pub fn write_as_it_is(file: &impl AsFd, bytes: &[u8]) -> Result<usize, Errno> {
    if !wait_for_room(file, 0) {
        return Err(Errno::AGAIN);
    }
    rustix::io::write(file, &bytes[..bytes.len().min(AT_ONCE)])
}

/// Waits until there is room in a stream, for that many milliseconds at most, or a signal has come. Whether there is.
pub fn wait_for_room(file: &impl AsFd, milliseconds: u32) -> bool {
    is_ready(PollFd::new(file, PollFlags::OUT), milliseconds)
}

fn is_ready(file: PollFd<'_>, milliseconds: u32) -> bool {
    let timeout = Timespec {
        tv_sec: (milliseconds / 1000).into(),
        tv_nsec: (milliseconds % 1000 * 1_000_000).into(),
    };
    poll(&mut [file], Some(&timeout)).is_ok_and(|count| count > 0)
}

/// Opens a file to read from, without waiting for whoever writes to it.
///
/// # Errors
/// The system's.
pub fn open_at_once(file: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits() as i32)
        .open(file)
}

/// Reads a stream, and waits for what comes, but not for ever.
#[derive(Debug)]
pub struct Timely {
    stream: Stream,
    end: Instant,
}

impl Timely {
    /// From `end` on, reading fails with [`io::ErrorKind::TimedOut`] where it would wait.
    #[must_use]
    pub fn reader(file: OwnedFd, end: Instant) -> Self {
        let stream = Stream::reader(file);
        Self { stream, end }
    }
}

impl Read for Timely {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            let left = self.end.saturating_duration_since(Instant::now());
            // Before anybody has opened it to write, a FIFO has ended for who reads, but not for who asks.
            let count = poll(&mut [self.stream.poll_fd()], Timespec::try_from(left).ok().as_ref());
            match count.and_then(|count| {
                if count == 0 {
                    Ok(None)
                } else {
                    self.stream.read(bytes).map(Some)
                }
            }) {
                Ok(Some(count)) => return Ok(count),
                Ok(None) if left.is_zero() => return Err(io::ErrorKind::TimedOut.into()),
                Ok(None) | Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Reads what is there, even if another has taken what we were told of. Linux can say so of a pipe since 6.5 and of no
/// terminal: there the read waits for more.
fn read_now(file: &OwnedFd, bytes: &mut [u8]) -> Result<usize, Errno> {
    let at_its_position = u64::MAX;
    let mut buffers = [IoSliceMut::new(bytes)];
    match preadv2(file, &mut buffers, at_its_position, ReadWriteFlags::NOWAIT) {
        Err(error) if !matches!(error, Errno::AGAIN | Errno::INTR) => rustix::io::read(file, bytes),
        result => result,
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use rustix::fs::CWD;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    use tempfile::TempDir;

    use super::*;

    /// Both ends of a stream of that kind: to write to, to read from.
    fn ends(kind: &str) -> (OwnedFd, OwnedFd) {
        let open = |name: &str, flags| {
            open(name, flags | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).expect("it is there")
        };
        match kind {
            "pipe" => {
                let (reader, writer) = std::io::pipe().expect("a pipe");
                (writer.into(), reader.into())
            }
            "FIFO" => {
                let folder = TempDir::new().expect("a folder");
                let name = folder.path().join("fifo");
                rustix::fs::mknodat(CWD, &name, FileType::Fifo, Mode::RWXU, 0).expect("a FIFO");
                let name = name.to_str().expect("a plain name");
                // Both, or it would wait for the other one.
                let both = open(name, OFlags::RDWR);
                let (reader, writer) = (open(name, OFlags::RDONLY), open(name, OFlags::WRONLY));
                drop(both);
                (writer, reader)
            }
            "socket" => {
                let (near, far) = UnixStream::pair().expect("a socket");
                (near.into(), far.into())
            }
            _ => {
                let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
                grantpt(&keyboard).expect("a terminal");
                unlockpt(&keyboard).expect("a terminal");
                let mut settings = tcgetattr(&keyboard).expect("a terminal");
                settings.make_raw();
                tcsetattr(&keyboard, OptionalActions::Now, &settings).expect("a terminal");
                let name = ptsname(&keyboard, Vec::new()).expect("a terminal");
                let terminal = open(name.to_str().expect("a path"), OFlags::RDWR);
                if kind == "keyboard" {
                    (keyboard, terminal)
                } else {
                    (terminal, keyboard)
                }
            }
        }
    }

    /// What it comes to, which must not take long.
    fn at_once<T: Send + 'static>(what: &str, body: impl FnOnce() -> T + Send + 'static) -> T {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(body()));
        let limit = Duration::from_secs(20);
        receiver
            .recv_timeout(limit)
            .unwrap_or_else(|_| panic!("{what}: it waits"))
    }

    #[test]
    fn what_another_has_taken_is_not_waited_for() {
        for kind in ["pipe", "FIFO", "socket", "keyboard"] {
            let (writer, reader) = ends(kind);
            let other = reader.try_clone().expect("a second handle");
            let stream = Stream::reader(reader);
            assert!(!stream.is_ready(), "{kind}");
            rustix::io::write(&writer, b"x").expect("there is room");
            stream.wait(20_000);
            assert!(stream.is_ready(), "{kind}");
            let mut byte = [0];
            assert_eq!(rustix::io::read(&other, &mut byte), Ok(1), "{kind}");
            let (stream, read) = at_once(kind, move || {
                let read = stream.read(&mut [0; 8]);
                (stream, read)
            });
            assert_eq!(read, Err(Errno::AGAIN), "{kind}");
            rustix::io::write(&writer, b"y").expect("there is room");
            stream.wait(20_000);
            let mut bytes = [0; 8];
            assert_eq!((stream.read(&mut bytes), bytes[0]), (Ok(1), b'y'), "{kind}");
            drop(writer);
            stream.wait(20_000);
            let end = stream.read(&mut bytes);
            // A terminal that is gone is an error.
            assert!(matches!(end, Ok(0) | Err(Errno::IO)), "{kind}: {end:?}");
        }
    }

    #[test]
    fn room_that_another_has_taken_is_not_waited_for() {
        for kind in ["pipe", "FIFO", "socket", "screen"] {
            let (writer, reader) = ends(kind);
            let other = Stream::writer(writer.try_clone().expect("a second handle"));
            let stream = Stream::writer(writer);
            assert!(stream.is_ready(), "{kind}");
            let fill = move |stream: &Stream| {
                let mut size = 0;
                loop {
                    match stream.write(&[b'x'; 1 << 20]) {
                        Ok(count) => size += count,
                        Err(error) => return (size, error),
                    }
                }
            };
            let (size, error) = at_once(kind, move || fill(&other));
            assert!(size > 0, "{kind}");
            assert_eq!(error, Errno::AGAIN, "{kind}");
            let (stream, written) = at_once(kind, move || {
                let written = stream.write(b"y");
                (stream, written)
            });
            // A terminal moves what it has got on by itself, and then may have room again.
            let has_moved_on = kind == "screen" && written == Ok(1);
            assert!(written == Err(Errno::AGAIN) || has_moved_on, "{kind}: {written:?}");
            drop(reader);
            // A child that another test is starting has the other end open until it has started.
            let lost = at_once(kind, move || {
                loop {
                    match stream.write(b"y") {
                        Ok(_) | Err(Errno::AGAIN) => thread::sleep(Duration::from_millis(1)),
                        lost => return lost,
                    }
                }
            });
            assert!(matches!(lost, Err(Errno::PIPE | Errno::IO)), "{kind}: {lost:?}");
        }
    }

    #[test]
    fn what_we_may_not_open_is_asked_first() {
        let (writer, reader) = ends("pipe");
        let stream = |file, direction| Stream {
            file,
            direction,
            way: Way::Ask,
        };
        let (reader, writer) = (stream(reader, PollFlags::IN), stream(writer, PollFlags::OUT));
        assert_eq!(reader.read(&mut [0; 8]), Err(Errno::AGAIN));
        while writer.write(&[b'x'; 1 << 20]).is_ok() {}
        assert_eq!(writer.write(b"y"), Err(Errno::AGAIN));
        assert_eq!(reader.read(&mut [0; 8]), Ok(8));
    }

    #[test]
    fn what_we_may_not_open_and_another_has_taken_is_not_waited_for() {
        let (writer, reader) = ends("pipe");
        rustix::io::write(&writer, b"xy").expect("there is room");
        let mut byte = [0];
        let mut buffers = [IoSliceMut::new(&mut byte)];
        let is_known = preadv2(&reader, &mut buffers, u64::MAX, ReadWriteFlags::NOWAIT);
        if is_known == Err(Errno::OPNOTSUPP) {
            return;
        }
        let (first, second) = at_once("pipe", move || {
            let mut bytes = [0; 8];
            let first = read_now(&reader, &mut bytes);
            (first, read_now(&reader, &mut bytes))
        });
        assert_eq!((first, second), (Ok(1), Err(Errno::AGAIN)));
        drop(writer);
    }
}
