// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing a file that was named: whole or not at all, and never in the place of something else.
//!
//! A file gets its new content without a name, or where the file system knows no such under another one in the same
//! folder, and then its own name: until then, and if anything fails, what was there stays. Links are followed, and
//! stay. What is no file, such as a pipe or a terminal, is written to.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::output::write_stream;

/// Links that are followed, as the kernel does.
const LINKS: usize = 40;

/// Who may do what with a new file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mode<'a> {
    /// What they may with the file that is replaced; else with any new file.
    Usual,
    /// What they may with this file, of which it is a copy. From something else, such as a pipe, it is a new file.
    Of(&'a Path),
}

/// Where the result goes.
#[derive(Debug)]
pub(super) enum Target {
    /// A file or none yet, in a folder.
    File { folder: PathBuf, file: PathBuf },
    /// Something else of that name.
    Other(PathBuf),
    /// What this program has open already, such as `/dev/stdout`: to open it by its name again would lose its position.
    Open(File),
}

impl Target {
    /// What that name stands for; `-` is standard output.
    pub(super) fn find(name: &Path) -> io::Result<Self> {
        if name.as_os_str() == "-" {
            return stdout().map(Self::Open);
        }
        if name.as_os_str().as_encoded_bytes().ends_with(b"/") {
            return Err(ErrorKind::IsADirectory.into());
        }
        let mut name = name.to_owned();
        for _ in 0..LINKS {
            let Some(last) = name.file_name() else {
                return Err(ErrorKind::IsADirectory.into());
            };
            let folder = match name.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            let folder = folder.canonicalize()?;
            if let Some(open) = opened(&folder, Path::new(last))? {
                return Ok(Self::Open(open));
            }
            let file = folder.join(last);
            match fs::symlink_metadata(&file) {
                Ok(there) if there.is_symlink() => name = folder.join(fs::read_link(&file)?),
                Ok(there) if there.is_dir() => return Err(ErrorKind::IsADirectory.into()),
                Ok(there) if !there.is_file() => return Ok(Self::Other(file)),
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(_) | Err(_) => return Ok(Self::File { folder, file }),
            }
        }
        Err(io::Error::other("too many levels of symbolic links"))
    }

    /// Returns whether it is the file of that name, whatever other names both have.
    pub(super) fn is_file(&self, name: &Path) -> bool {
        let both = (self.metadata(), fs::metadata(name));
        matches!(both, (Ok(ours), Ok(other)) if ours.is_file() && is_same(&ours, &other))
    }

    /// Of what is there.
    fn metadata(&self) -> io::Result<Metadata> {
        match self {
            Self::File { file, .. } | Self::Other(file) => fs::metadata(file),
            Self::Open(file) => file.metadata(),
        }
    }

    /// Returns whether of two results, there and in `other`, one would be lost or be amid the other. What is written to
    /// a device, such as `/dev/null`, is none of our business.
    #[cfg(process_host)]
    pub(super) fn is_in_the_way_of(&self, other: &Self) -> bool {
        use std::os::unix::fs::FileTypeExt;
        match (self, other, self.metadata(), other.metadata()) {
            (Self::File { file: ours, .. }, Self::File { file, .. }, ..) if ours == file => true,
            (_, _, Ok(ours), Ok(other)) => is_same(&ours, &other) && !ours.file_type().is_char_device(),
            _ => false,
        }
    }

    /// Returns whether it is standard output.
    pub(super) fn is_stdout(&self) -> bool {
        let stdout = stdout().and_then(|stdout| stdout.metadata());
        let is_file = matches!(self, Self::File { .. });
        !is_file && matches!((self.metadata(), stdout), (Ok(ours), Ok(stdout)) if is_same(&ours, &stdout))
    }
}

/// Writes to it.
pub(super) fn write(target: &Target, bytes: &[u8], mode: Mode<'_>) -> io::Result<()> {
    match target {
        Target::File { folder, file } => replace(folder, file, bytes, mode),
        Target::Other(file) => write_stream(&OpenOptions::new().write(true).open(file)?, bytes),
        Target::Open(file) => write_stream(file, bytes),
    }
}

fn replace(folder: &Path, file: &Path, bytes: &[u8], mode: Mode<'_>) -> io::Result<()> {
    // Who may not write a file may not replace it either. Its content is left alone.
    match OpenOptions::new().write(true).open(file) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(error),
        _ => {}
    }
    let model = match mode {
        Mode::Of(source) => fs::metadata(source),
        Mode::Usual => fs::metadata(file),
    };
    let permissions = model.ok().filter(Metadata::is_file).map(|model| model.permissions());
    // As long as nothing else is said, only we may read it; else all, less what the user's umask takes away.
    let first_mode = if permissions.is_some() { 0o600 } else { 0o666 };
    let fill = |mut temporary: &File| {
        temporary.write_all(bytes)?;
        if let Some(permissions) = &permissions {
            temporary.set_permissions(plain(permissions.clone()))?;
        }
        temporary.sync_all()
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".pvhost-");
    #[cfg(process_host)]
    if let Some(temporary) = unnamed::open(folder, first_mode) {
        fill(&temporary)?;
        let replaced = put_off_signals(|| {
            let named = builder.make_in(folder, |name| unnamed::link(&temporary, name));
            named.ok().map(|named| named.persist(file))
        });
        // Where it may not be given a name, a file that had one from the beginning may do.
        if let Some(replaced) = replaced {
            replaced?;
            return Ok(());
        }
    }
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(first_mode));
    put_off_signals(|| {
        let temporary = builder.tempfile_in(folder)?;
        fill(temporary.as_file())?;
        temporary.persist(file)?;
        Ok(())
    })
}

/// Files without a name until they are complete: nothing is left of one that is not, however the program ends.
#[cfg(process_host)]
mod unnamed {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::{Path, PathBuf};

    use rustix::fs::{AtFlags, CWD, linkat};

    /// Another name for the open file.
    fn alias(file: &File) -> PathBuf {
        format!("/proc/self/fd/{}", file.as_raw_fd()).into()
    }

    /// A new one in that folder. `None`: the file system has no such files, or there is none with aliases.
    pub(super) fn open(folder: &Path, mode: u32) -> Option<File> {
        let mut options = OpenOptions::new();
        options.write(true).mode(mode).custom_flags(libc::O_TMPFILE);
        let file = options.open(folder).ok()?;
        alias(&file).exists().then_some(file)
    }

    /// Gives it a name, which nothing else may have.
    pub(super) fn link(file: &File, name: &Path) -> io::Result<()> {
        Ok(linkat(CWD, alias(file), CWD, name, AtFlags::SYMLINK_FOLLOW)?)
    }
}

#[cfg(process_host)]
use super::signal::put_off as put_off_signals;

#[cfg(not(process_host))]
fn put_off_signals<R>(body: impl FnOnce() -> R) -> R {
    body()
}

/// Without the right to run as its owner, who need not be that of the file that it was taken from.
#[cfg(unix)]
fn plain(permissions: fs::Permissions) -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    fs::Permissions::from_mode(permissions.mode() & 0o777)
}

#[cfg(not(unix))]
fn plain(permissions: fs::Permissions) -> fs::Permissions {
    permissions
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    false
}

/// If the folder is the one in which the system shows what this program has open, a handle to what has that number.
#[cfg(target_os = "linux")]
fn opened(folder: &Path, name: &Path) -> io::Result<Option<File>> {
    use std::os::fd::BorrowedFd;
    let number = name.to_str().and_then(|name| name.parse::<i32>().ok());
    let is_ours = Path::new("/proc/self/fd")
        .canonicalize()
        .is_ok_and(|ours| ours == folder);
    match number.filter(|&number| is_ours && number >= 0) {
        // SAFETY: it is borrowed only to be duplicated, which fails if it is not open.
        Some(number) => unsafe { BorrowedFd::borrow_raw(number) }
            .try_clone_to_owned()
            .map(|file| Some(File::from(file))),
        None => Ok(None),
    }
}

#[cfg(not(target_os = "linux"))]
fn opened(_: &Path, _: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

#[cfg(unix)]
fn stdout() -> io::Result<File> {
    use std::os::fd::AsFd;
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

#[cfg(not(unix))]
fn stdout() -> io::Result<File> {
    Err(ErrorKind::Unsupported.into())
}
