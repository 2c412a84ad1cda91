// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that are written when the guest has ended.
//!
//! By then a guest's thread may be confined for good, and may not make files: whoever has taken it over could make any.
//! So a process does that was started before the guest ([`offspring`]). It gets the content by a socket, and knows
//! nothing but what it may write. If the content ends too early, for whatever reason, nothing is left of it.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::fs::{Access, AtFlags, Mode, OFlags, access, accessat, fchmod, open, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::rand::{GetRandomFlags, getrandom};

use super::offspring;
use crate::streams::Stream;

/// Bytes that are taken at a time.
const CHUNK: usize = 64 * 1024;
/// Limit of a file's size in bytes: a core of all that a guest can have, 4 GiB, and what is said of it.
const LARGEST: u64 = 5 << 30;
/// Longest report of the process, in bytes.
const LONGEST_REPORT: u64 = 64 * 1024;
/// Milliseconds for which a stream is waited for at a time.
const WAIT: u32 = 1000;

/// A process that writes.
///
/// Content goes to it in pieces, each behind a number: so many bytes, or if it is negative so many zeros; and 0 is the
/// end. Its answer is the number of an error or 0, and then a report.
#[derive(Debug)]
pub(crate) struct Writer(UnixStream);

impl Writer {
    /// Starts the process, which is given the folder and what comes. What `work` returns is its report.
    ///
    /// # Errors
    /// The system's.
    ///
    /// # Safety
    /// As of [`offspring::start`].
    pub(crate) unsafe fn start<R: AsRef<[u8]>>(
        folder: BorrowedFd<'_>,
        work: impl FnOnce(OwnedFd, &mut Content) -> io::Result<R>,
    ) -> io::Result<Self> {
        let (near, far) = UnixStream::pair()?;
        let work = || {
            // SAFETY: no pointers. A limit of the size of files is an error, and not our death.
            unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
            // SAFETY: open, and used by nobody else here.
            let [socket, folder] = [0, 1].map(|number| unsafe { OwnedFd::from_raw_fd(number) });
            let mut content = Content(socket.into());
            let done = limit_size().and_then(|()| work(folder, &mut content));
            let number = done
                .as_ref()
                .err()
                .map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO));
            let mut answer = content.0;
            // If nobody is there any more, nobody wants to know.
            let _ = (answer.write_all(&number.to_le_bytes()))
                .and_then(|()| done.and_then(|report| answer.write_all(report.as_ref())));
        };
        // A panic's message goes to file 2, which may not be one that is written.
        let keep = [far.as_fd(), folder, far.as_fd()];
        // SAFETY: system calls, and what the caller vouches for.
        unsafe { offspring::start(keep, work) }?;
        Ok(Self(near))
    }

    /// These bytes come next.
    pub(crate) fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.number(bytes.len() as i64)?;
        self.0.write_all(bytes)
    }

    fn number(&mut self, number: i64) -> io::Result<()> {
        self.0.write_all(&number.to_le_bytes())
    }

    /// The content has ended, or was given up for an error. The report.
    pub(crate) fn finish(mut self, sent: io::Result<()>) -> io::Result<Vec<u8>> {
        let sent = sent.and_then(|()| self.number(0));
        // What went wrong over there is the reason for what went wrong here.
        let mut number = [0; 4];
        match self.0.read_exact(&mut number).map(|()| i32::from_le_bytes(number)) {
            Ok(0) => sent?,
            Ok(number) => return Err(io::Error::from_raw_os_error(number)),
            Err(_) => return Err(io::Error::other("the process that writes it has ended")),
        }
        let mut report = Vec::new();
        self.0.take(LONGEST_REPORT).read_to_end(&mut report)?;
        Ok(report)
    }
}

/// What comes to the process that writes. Where no more comes than was promised, it is
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof).
pub(crate) struct Content(UnixStream);

impl Content {
    /// The next piece, of at most so many bytes; `None` at the end.
    pub(crate) fn piece(&mut self, most: usize) -> io::Result<Option<Vec<u8>>> {
        match usize::try_from(self.number()?) {
            Ok(0) => Ok(None),
            Ok(length) if length <= most => {
                let mut bytes = vec![0; length];
                self.0.read_exact(&mut bytes)?;
                Ok(Some(bytes))
            }
            _ => Err(Errno::FBIG.into()),
        }
    }

    fn number(&mut self) -> io::Result<i64> {
        let mut number = [0; 8];
        self.0.read_exact(&mut number)?;
        Ok(i64::from_le_bytes(number))
    }

    /// Copies what comes to a new file, onto the disk, from the piece of that number on.
    fn copy(&mut self, mut number: i64, file: &mut File) -> io::Result<()> {
        let mut buffer = [0; CHUNK];
        while number != 0 {
            if number < 0 {
                // A hole, which reads as zeros.
                file.seek_relative(-number)?;
            }
            let mut rest = number.max(0) as usize;
            while rest > 0 {
                let piece = &mut buffer[..rest.min(CHUNK)];
                self.0.read_exact(piece)?;
                file.write_all(piece)?;
                rest -= piece.len();
            }
            number = self.number()?;
        }
        // A hole at the end.
        let end = file.stream_position()?;
        file.set_len(end)?;
        file.sync_all()
    }
}

/// Takes a file from its beginning to its end.
pub(crate) trait Sink {
    /// These bytes come next.
    fn data(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// So many zeros come next, which need no room on a disk.
    fn zeros(&mut self, count: u64) -> io::Result<()>;
}

/// A file that may be written when a guest has ended, by a process that waits for that, or for the end of this one. If
/// it never is, what was there stays.
#[derive(Debug)]
pub struct LateFile {
    to: To,
    /// Zeros that have not been written yet.
    zeros: u64,
}

#[derive(Debug)]
enum To {
    Process(Writer),
    Open(Stream),
}

impl LateFile {
    /// The file of that name, whole or not at all: it has another name in the same folder until it is complete. A link
    /// is not followed, neither now nor then. `mode` are its permissions; without, they stay as they are, or are those
    /// of any new file.
    ///
    /// # Errors
    /// It is a link, nothing can be written there, or the system refuses a process.
    pub fn replace(path: &Path, mode: Option<u32>) -> io::Result<Self> {
        let before = match path.symlink_metadata() {
            Ok(there) if there.is_symlink() => return Err(Errno::LOOP.into()),
            Ok(there) => {
                // Who may not write a file may not replace it either.
                access(path, Access::WRITE_OK)?;
                Some(there.mode() & 0o777)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
        let name = CString::new(name.as_bytes())?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = open(folder, flags, Mode::empty())?;
        accessat(&folder, ".", Access::WRITE_OK, AtFlags::empty())?;
        let mode = mode.or(before);
        let work = |folder: OwnedFd, content: &mut Content| {
            // Nothing is made before there is something for it.
            let first = content.number()?;
            replace(folder.as_fd(), &name, mode, |file| content.copy(first, file)).map(|()| [])
        };
        // SAFETY: system calls only.
        let writer = unsafe { Writer::start(folder.as_fd(), work) }?;
        let to = To::Process(writer);
        Ok(Self { to, zeros: 0 })
    }

    /// What is open already, such as a pipe or a device: it is written to as it is, by this process.
    #[must_use]
    pub fn open(file: OwnedFd) -> Self {
        let to = To::Open(Stream::writer(file));
        Self { to, zeros: 0 }
    }

    /// Writes it, of this content.
    ///
    /// # Errors
    /// The system's, or the process has ended.
    pub fn write(mut self, content: &[u8]) -> io::Result<()> {
        let sent = self.data(content);
        self.finish(sent)
    }

    fn send_zeros(&mut self) -> io::Result<()> {
        let mut zeros = mem::take(&mut self.zeros);
        match &mut self.to {
            To::Process(_) if zeros == 0 => {}
            To::Process(writer) => writer.number(-(zeros as i64))?,
            To::Open(stream) => {
                while zeros > 0 {
                    let piece = zeros.min(CHUNK as u64);
                    write_all(stream, &[0; CHUNK][..piece as usize])?;
                    zeros -= piece;
                }
            }
        }
        Ok(())
    }

    /// The content has ended, or was given up for an error. The file gets its name, or is removed.
    pub(crate) fn finish(mut self, sent: io::Result<()>) -> io::Result<()> {
        let sent = sent.and_then(|()| self.send_zeros());
        match self.to {
            To::Process(writer) => writer.finish(sent).map(drop),
            To::Open(_) => sent,
        }
    }
}

impl Sink for LateFile {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send_zeros()?;
        match &mut self.to {
            To::Process(writer) => writer.data(bytes),
            To::Open(stream) => write_all(stream, bytes),
        }
    }

    fn zeros(&mut self, count: u64) -> io::Result<()> {
        self.zeros += count;
        Ok(())
    }
}

/// Has a file of that name in that folder be what `fill` makes, or what it was. It has another name until it is
/// complete. It makes system calls only, if `fill` does.
pub(crate) fn replace(
    folder: BorrowedFd<'_>,
    name: &CStr,
    mode: Option<u32>,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let mut number = [0; 8];
    getrandom(&mut number, GetRandomFlags::empty())?;
    let mut temporary = *b".pvhost-0123456789abcdef\0";
    let _ = write!(&mut temporary[8..], "{:016x}", u64::from_le_bytes(number));
    let temporary = CStr::from_bytes_until_nul(&temporary).unwrap_or_default();
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // As long as nothing else is said, only we may read it; else all, less what the user's umask takes away.
    let first_mode = if mode.is_some() { 0o600 } else { 0o666 };
    let mut file = File::from(openat(folder, temporary, flags, Mode::from_raw_mode(first_mode))?);
    let written = fill(&mut file).and_then(|()| {
        if let Some(mode) = mode {
            fchmod(&file, Mode::from_raw_mode(mode))?;
        }
        Ok(renameat(folder, temporary, folder, name)?)
    });
    if written.is_err() {
        let _ = unlinkat(folder, temporary, AtFlags::empty());
    }
    written
}

/// From then on no file of this process gets larger than [`LARGEST`], whatever comes.
fn limit_size() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Fsize);
    limit.current = Some(limit.current.map_or(LARGEST, |current| current.min(LARGEST)));
    Ok(setrlimit(Resource::Fsize, limit)?)
}

/// Writes all, at the pace of who reads it.
fn write_all(stream: &Stream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => stream.wait(WAIT),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is told to write, by a guest that has taken over the process.
    #[test]
    fn a_file_does_not_grow_without_limit() {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        for size in [LARGEST, LARGEST + 1] {
            let path = folder.path().join("file");
            let mut file = LateFile::replace(&path, None).expect("a place for it");
            file.zeros(size).expect("it is no more than a number");
            let written = file.finish(Ok(()));
            let error = written.err().and_then(|error| error.raw_os_error());
            assert_eq!(error, (size > LARGEST).then_some(libc::EFBIG));
            let left = folder.path().read_dir().expect("our folder").count();
            assert_eq!(left, usize::from(size <= LARGEST), "nothing of one that is too large");
            let _ = std::fs::remove_file(path);
        }
    }
}
