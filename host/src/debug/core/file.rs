// SPDX-License-Identifier: MIT OR Apache-2.0
//! The file that a core is written to: what it may be, and its name.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;

use crate::image::Image;
use crate::process::LateFile;
use crate::text::Escaped;

/// Longest part of a guest's name that is taken into a core's.
const LONGEST: usize = 100;
/// Only its owner may read it.
const MODE: u32 = 0o600;

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
    #[error("cannot write the core {path}: {1}", path = Escaped(.0.display()))]
    System(PathBuf, #[source] io::Error),
}

/// A core that may be written, see [`Builder::core`](crate::process::Builder::core). As long as it is not, there is no
/// file, or what was there before; if it never is, that stays.
#[derive(Debug)]
pub struct CoreFile {
    path: PathBuf,
    file: LateFile,
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
        let file = match path.symlink_metadata() {
            Ok(there) if there.is_symlink() => return Err(CoreError::Link(path)),
            Ok(there) if is_guest(&there, image) => return Err(CoreError::Guest(path)),
            Ok(there) if there.file_type().is_char_device() => match open_device(&path) {
                Err(Errno::NOTTY) => return Err(CoreError::NoFile(path)),
                device => device.map_err(io::Error::from),
            },
            Ok(there) if !there.is_file() => return Err(CoreError::NoFile(path)),
            Ok(_) | Err(_) => LateFile::replace(&path, Some(MODE)),
        };
        match file {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(CoreError::System(path, source)),
        }
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
        Err(CoreError::System(path, source))
    }

    /// Writes what `content` tells.
    pub(super) fn write(mut self, content: impl FnOnce(&mut LateFile) -> io::Result<()>) -> Result<(), CoreError> {
        let sent = content(&mut self.file);
        let path = self.path;
        self.file.finish(sent).map_err(|source| CoreError::System(path, source))
    }
}

/// Returns whether it is the image's own file.
fn is_guest(file: &Metadata, image: &Image) -> bool {
    fs::metadata(image.name()).is_ok_and(|guest| (guest.dev(), guest.ino()) == (file.dev(), file.ino()))
}

/// Opens a device, if it is no terminal.
fn open_device(path: &Path) -> Result<LateFile, Errno> {
    let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let device = open(path, flags, Mode::empty())?;
    if rustix::termios::isatty(&device) {
        return Err(Errno::NOTTY);
    }
    Ok(LateFile::open(device))
}
