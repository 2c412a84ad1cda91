// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file that a core is written to: whole or not at all, by a process of its own.
//!
//! A guest's thread may not make files by the time a core is due ([`offspring`]). So a process does that was started
//! before the guest; it gets the content by a socket, and knows nothing but the folder and the name. The file has
//! another name until it is complete. If the content ends too early, for whatever reason, nothing is left of it.

use std::ffi::CString;
use std::fs::{self, Metadata};
use std::io;
use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{
    Access, AtFlags, Mode, OFlags, SeekFrom, access, accessat, fsync, ftruncate, open, openat, renameat, seek, unlinkat,
};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};
use rustix::rand::{GetRandomFlags, getrandom};

use super::elf::Sink;
use crate::image::Image;
use crate::process::offspring;
use crate::text::Escaped;

/// Bytes that the process takes at a time.
const CHUNK: usize = 64 * 1024;
/// Longest part of a guest's name that is taken into a core's.
const LONGEST: usize = 100;

/// A core cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoreError {
    /// The name leads somewhere else.
    #[error("{} is a link, which is not followed to write a core; name the file itself", Escaped(.0.display()))]
    Link(PathBuf),
    /// The name is that of something else.
    #[error("{} is no file, and a core is one; give it another name", Escaped(.0.display()))]
    NoFile(PathBuf),
    /// The file would be that of the guest.
    #[error("{} is the guest, which would be lost; give its core another name", Escaped(.0.display()))]
    Guest(PathBuf),
    /// The system's reason.
    #[error("cannot write the core {}: {source}", Escaped(.path.display()))]
    System {
        /// The file, or the folder.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
}

/// A core that may be written, see [`Builder::core`](crate::process::Builder::core). As long as it is not, there is no
/// file, or what was there before; if it never is, that stays.
#[derive(Debug)]
pub struct CoreFile {
    path: PathBuf,
    /// Its other end is the process that writes the file.
    writer: OwnedFd,
    /// Zeros that it has not been told of yet.
    zeros: u64,
}

impl CoreFile {
    /// A core of that name of a guest of that image. A file that is there is replaced, by one that nobody else may
    /// read, unless it is the guest's; a link is not followed. A device that is no terminal, such as `/dev/null`, is
    /// written to.
    ///
    /// It starts a process, which waits for the core or for the end of this one.
    ///
    /// # Errors
    /// Nothing can be written there, or the system refuses a process.
    pub fn create(path: impl Into<PathBuf>, image: &Image) -> Result<Self, CoreError> {
        let path = path.into();
        let system = |source: io::Error| CoreError::System {
            path: path.clone(),
            source,
        };
        let way = match path.symlink_metadata() {
            Ok(there) if there.is_symlink() => return Err(CoreError::Link(path)),
            Ok(there) if is_guest(&there, image) => return Err(CoreError::Guest(path)),
            Ok(there) if there.is_file() => {
                // Who may not write a file may not replace it either.
                access(&*path, Access::WRITE_OK).map_err(|error| system(error.into()))?;
                Way::Replace
            }
            Ok(there) if there.file_type().is_char_device() => Way::Device,
            Ok(_) => return Err(CoreError::NoFile(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Way::Replace,
            Err(error) => return Err(system(error)),
        };
        let Some(name) = path.file_name() else {
            return Err(CoreError::NoFile(path));
        };
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let writer = start(folder, name.as_bytes(), way).map_err(|error| match error.raw_os_error() {
            Some(libc::ENOTTY) => CoreError::NoFile(path.clone()),
            _ => system(error),
        })?;
        let zeros = 0;
        Ok(Self { path, writer, zeros })
    }

    /// A core of a guest of that image in that folder. It is called `NAME.PROCESS.TIME.core`, by the guest's name, by
    /// the number of this process, and by the time in seconds since 1970.
    ///
    /// # Errors
    /// As of [`create`](Self::create).
    pub fn create_in(folder: &Path, image: &Image) -> Result<Self, CoreError> {
        let guest = Path::new(image.name());
        let name = guest.file_name().unwrap_or_default().to_string_lossy();
        let plain = |letter: char| {
            if letter.is_ascii_graphic() && letter != '/' {
                letter
            } else {
                '_'
            }
        };
        let name: String = name.chars().map(plain).take(LONGEST).collect();
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seconds = time.map_or(0, |time| time.as_secs());
        let process = std::process::id();
        Self::create(folder.join(format!("{name}.{process}.{seconds}.core")), image)
    }

    /// The file's name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// There is no core, for that reason.
    pub(crate) fn refuse<T>(self, source: io::Error) -> Result<T, CoreError> {
        let path = self.path;
        Err(CoreError::System { path, source })
    }

    /// The content has ended, or there was an error. The file gets its name, or is removed.
    pub(super) fn finish(mut self, written: io::Result<()>) -> Result<(), CoreError> {
        let written = written
            .and_then(|()| self.send_zeros())
            .and_then(|()| self.send(&0_i64.to_le_bytes()));
        // What went wrong over there is the reason for what went wrong here.
        let answer = match (self.answer(), written) {
            (Ok(0), Ok(())) => return Ok(()),
            (Ok(number), _) if number != 0 => io::Error::from_raw_os_error(number),
            (_, Err(error)) | (Err(error), _) => error,
            (Ok(_), Ok(())) => unreachable!("it is done above"),
        };
        Err(CoreError::System {
            path: self.path,
            source: answer,
        })
    }

    fn answer(&self) -> io::Result<i32> {
        let mut number = [0; 4];
        match read_all(self.writer.as_fd(), &mut number) {
            Ok(()) => Ok(i32::from_le_bytes(number)),
            Err(_) => Err(io::Error::other("the process that writes it has ended")),
        }
    }

    fn send_zeros(&mut self) -> io::Result<()> {
        match mem::take(&mut self.zeros) {
            0 => Ok(()),
            zeros => self.send(&(-(zeros as i64)).to_le_bytes()),
        }
    }

    fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match send(&self.writer, bytes, SendFlags::NOSIGNAL) {
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Returns whether it is the image's own file.
fn is_guest(file: &Metadata, image: &Image) -> bool {
    fs::metadata(image.name()).is_ok_and(|guest| (guest.dev(), guest.ino()) == (file.dev(), file.ino()))
}

/// Content goes to the process in pieces, each behind a number: so many bytes, or if it is negative so many zeros; and
/// 0 is the end.
impl Sink for CoreFile {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.send_zeros()?;
        self.send(&(bytes.len() as i64).to_le_bytes())?;
        self.send(bytes)
    }

    fn zeros(&mut self, count: u64) -> io::Result<()> {
        self.zeros += count;
        Ok(())
    }
}

/// How the file comes to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Under another name, which is changed at the end.
    Replace,
    /// It is there, and takes what it gets.
    Device,
}

/// As the system wants names.
struct Names {
    file: CString,
    /// Until it is complete.
    temporary: CString,
}

/// Starts the process that writes that file; the socket to it.
fn start(folder: &Path, file: &[u8], way: Way) -> io::Result<OwnedFd> {
    let mut number = [0; 8];
    getrandom(&mut number, GetRandomFlags::empty())?;
    let number = u64::from_le_bytes(number);
    let names = Names {
        file: CString::new(file)?,
        temporary: CString::new(format!(".pvhost-{number:016x}.core"))?,
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder_file = open(folder, flags, Mode::empty())?;
    match way {
        Way::Replace => accessat(&folder_file, ".", Access::WRITE_OK, AtFlags::empty())?,
        Way::Device => {
            let device = open_device(folder_file.as_fd(), &names)?;
            if rustix::termios::isatty(device) {
                return Err(Errno::NOTTY.into());
            }
        }
    }
    let (near, far) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: system calls only.
    unsafe { offspring::start([far.as_fd(), folder_file.as_fd()], || write_in_the_end(&names, way)) }?;
    Ok(near)
}

/// In a process of its own, with the socket as file 0 and the folder as file 1: system calls only.
fn write_in_the_end(names: &Names, way: Way) {
    // SAFETY: no pointers. A limit of the size of files is an error, and not our death.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    // SAFETY: open, and used by nobody else here.
    let [socket, folder] = [0, 1].map(|number| unsafe { BorrowedFd::borrow_raw(number) });
    let number = match receive(socket, folder, names, way) {
        // Nobody is there any more who would want to know.
        Err(Errno::CONNRESET) => return,
        Err(error) => error.raw_os_error(),
        Ok(()) => 0,
    };
    let _ = send(socket, &number.to_le_bytes(), SendFlags::NOSIGNAL);
}

/// Waits for the content and writes it. `CONNRESET`: it never came, or not all of it.
fn receive(socket: BorrowedFd<'_>, folder: BorrowedFd<'_>, names: &Names, way: Way) -> Result<(), Errno> {
    // Nothing is made before there is something for it.
    let mut first = next(socket)?;
    if way == Way::Device {
        let device = open_device(folder, names)?;
        return copy(socket, device.as_fd(), &mut first, way);
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder, &*names.temporary, flags, Mode::RUSR | Mode::WUSR)?;
    let written = copy(socket, file.as_fd(), &mut first, way)
        .and_then(|()| fsync(&file))
        .and_then(|()| renameat(folder, &*names.temporary, folder, &*names.file));
    if written.is_err() {
        let _ = unlinkat(folder, &*names.temporary, AtFlags::empty());
    }
    written
}

fn open_device(folder: BorrowedFd<'_>, names: &Names) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(folder, &*names.file, flags, Mode::empty())
}

/// Copies what comes, from the piece of that number on.
fn copy(socket: BorrowedFd<'_>, file: BorrowedFd<'_>, number: &mut i64, way: Way) -> Result<(), Errno> {
    let mut buffer = [0; CHUNK];
    let mut end = 0;
    while *number != 0 {
        let count = number.unsigned_abs();
        let is_data = *number > 0;
        end += count;
        if !is_data && way == Way::Replace {
            // A hole, which reads as zeros.
            seek(file, SeekFrom::Current(count as i64))?;
        } else {
            if !is_data {
                buffer.fill(0);
            }
            let mut rest = count;
            while rest > 0 {
                let piece = &mut buffer[..rest.min(CHUNK as u64) as usize];
                if is_data {
                    read_all(socket, piece)?;
                }
                write_all(file, piece)?;
                rest -= piece.len() as u64;
            }
        }
        *number = next(socket)?;
    }
    match way {
        Way::Replace => ftruncate(file, end),
        Way::Device => Ok(()),
    }
}

/// The number before the next piece.
fn next(socket: BorrowedFd<'_>) -> Result<i64, Errno> {
    let mut number = [0; 8];
    read_all(socket, &mut number)?;
    Ok(i64::from_le_bytes(number))
}

fn read_all(socket: BorrowedFd<'_>, mut bytes: &mut [u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::read(socket, &mut *bytes) {
            Ok(0) => return Err(Errno::CONNRESET),
            Ok(count) => bytes = &mut bytes[count..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn write_all(file: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(Errno::NOSPC),
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
