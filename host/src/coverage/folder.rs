// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing `.gcda` files into a folder of the user's, under names that are the guest's.
//!
//! Whatever the names are, nothing outside the folder is touched, no link is followed, and nothing is replaced but
//! coverage data. A file gets its new content under another name, and then its own.
//!
//! A guest's counters, written when it has ended, by [a process of its own](crate::process::late): it takes only what
//! is in the form of such, whoever sends it.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::llvm::{SUFFIX, is_profile};
use super::{Counters, Data, DataError, DataFile, MAX_BYTES, MAX_FILES, MAX_NAME};
use crate::process::late::{self, Content, Writer};
use crate::text::Escaped;

/// Folders in the folder, one in the other.
const MAX_DEPTH: usize = 64;

/// Profiles of guests of the same name in a folder.
const MAX_PROFILES: u32 = 16_384;

/// How a folder is opened: by no link.
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A folder for coverage data.
#[derive(Debug)]
pub struct Folder {
    pub(super) folder: OwnedFd,
    /// Its whole name, without links.
    pub(super) path: PathBuf,
}

/// Why coverage data is not written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The folder cannot be used.
    #[error("cannot use the folder {path} for coverage: {1}", path = Escaped(.0.display()))]
    Folder(PathBuf, #[source] io::Error),
    /// A name is none that a compiler makes.
    #[error("the guest has a strange name for a file with coverage, {}: {why}", Escaped(name))]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// What has this name is not for coverage.
    #[error("{} is there, and {why}; it stays as it is", Escaped(path.display()))]
    Other {
        /// The name.
        path: PathBuf,
        /// What it is.
        why: String,
    },
    /// The system refuses.
    #[error("cannot write {path}: {1}", path = Escaped(.0.display()))]
    Write(PathBuf, #[source] io::Error),
}

impl Folder {
    /// Opens the folder, and makes it if there is none.
    ///
    /// # Errors
    /// If it cannot be made, or is no folder.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let open = || {
            std::fs::create_dir_all(path)?;
            let whole = path.canonicalize()?;
            let folder = rustix::fs::open(&whole, FOLDER, Mode::empty())?;
            Ok(Self { folder, path: whole })
        };
        open().map_err(|source| FolderError::Folder(path.to_owned(), source))
    }

    /// Writes a guest's counters, when no other process writes there any more. What has gone wrong.
    #[must_use]
    pub fn write(&self, counters: &Counters) -> Vec<FolderError> {
        let lock = |operation| rustix::io::retry_on_intr(|| rustix::fs::flock(&self.folder, operation));
        if let Err(error) = lock(FlockOperation::LockExclusive) {
            return vec![FolderError::Folder(self.path.clone(), error.into())];
        }
        let mut errors = Vec::new();
        for same in counters.files.chunk_by(|one, other| one.name == other.name) {
            let written = match same {
                [file] => self.write_file(file),
                _ => Err(strange(
                    &same[0].name,
                    "several object files of the guest have it; compile each to an object of its own",
                )),
            };
            errors.extend(written.err());
        }
        if let Some((name, profile)) = &counters.profile {
            errors.extend(self.write_profile(name, profile).err());
        }
        // If not, it is when the folder is closed.
        let _ = lock(FlockOperation::Unlock);
        errors
    }

    /// Writes a [profile](super::llvm::profile) to a new file, `NAME.profraw` or, if there is one, `NAME-1.profraw` and
    /// so on. The name must be a plain one with that end.
    fn write_profile(&self, name: &[u8], profile: &[u8]) -> Result<(), FolderError> {
        let stem = name
            .strip_suffix(SUFFIX)
            .filter(|stem| !stem.is_empty() && !stem.contains(&b'/') && !stem.contains(&0));
        let stem = stem.ok_or_else(|| strange(name, "it is no plain name that ends in `.profraw`"))?;
        if !is_profile(profile) {
            return Err(strange(name, "there is no profile for it"));
        }
        for number in 0..MAX_PROFILES {
            let infix = if number == 0 {
                String::new()
            } else {
                format!("-{number}")
            };
            let name = [stem, infix.as_bytes(), SUFFIX].concat();
            match rustix::fs::statat(&self.folder, &*name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(_) => {}
                Err(Errno::NOENT) => {
                    return replace(&self.folder, &name, profile).map_err(|source| {
                        FolderError::Write(self.path.join(std::ffi::OsStr::from_bytes(&name)), source)
                    });
                }
                Err(error) => {
                    return Err(FolderError::Write(
                        self.path.join(std::ffi::OsStr::from_bytes(&name)),
                        error.into(),
                    ));
                }
            }
        }
        Err(FolderError::Other {
            path: self.path.clone(),
            why: format!("it has {MAX_PROFILES} profiles of this guest"),
        })
    }

    /// Writes the file, or adds to what the same build has counted before: where it was compiled if that is in this
    /// folder, else by its whole name in this folder. Coverage data of another build is replaced; of what else has the
    /// name it is an error.
    fn write_file(&self, file: &DataFile) -> Result<(), FolderError> {
        let parts = self.parts(&file.name)?;
        let path: PathBuf = parts.iter().fold(self.path.clone(), |path, part| {
            path.join(std::ffi::OsStr::from_bytes(part))
        });
        let Some((name, folders)) = parts.split_last() else {
            return Err(strange(&file.name, "it is empty"));
        };
        let refused = |error: Errno| FolderError::Write(path.clone(), error.into());
        let mut folder = self
            .folder
            .try_clone()
            .map_err(|source| FolderError::Write(path.clone(), source))?;
        for part in folders {
            folder = enter(&folder, part).map_err(|error| match error {
                // A link, or no folder.
                Errno::LOOP | Errno::NOTDIR => FolderError::Other {
                    path: path.clone(),
                    why: "a part of its name is a link or no folder".to_owned(),
                },
                other => refused(other),
            })?;
        }
        let mut data = file.data.clone();
        if let Some(before) = before(&folder, name, &path)?
            && before.is_of_same_build(&data)
        {
            data.add(&before);
        }
        replace(&folder, name, &data.bytes()).map_err(|source| FolderError::Write(path.clone(), source))
    }

    /// The parts of the file's name in this folder.
    fn parts<'a>(&self, name: &'a [u8]) -> Result<Vec<&'a [u8]>, FolderError> {
        let strange = |why| strange(name, why);
        if name.len() > MAX_NAME {
            return Err(strange("it is too long"));
        }
        if name.contains(&0) {
            return Err(strange("it holds a NUL"));
        }
        let mut parts: Vec<&[u8]> = Vec::new();
        for part in name.split(|&byte| byte == b'/') {
            match part {
                b"" | b"." => {}
                // A compiler that is given `../name.o` leaves them in.
                b".." if parts.pop().is_none() => return Err(strange("it leaves the folder")),
                b".." => {}
                part => parts.push(part),
            }
        }
        let is_whole = name.starts_with(b"/");
        let ours = self.path.components().skip(1).map(|part| part.as_os_str().as_bytes());
        if is_whole
            && parts.len() > ours.clone().count()
            && ours.clone().eq(parts.iter().copied().take(ours.clone().count()))
        {
            parts.drain(..ours.count());
        }
        if parts.len() > MAX_DEPTH {
            return Err(strange("it is in too many folders"));
        }
        if !parts.last().is_some_and(|name| name.ends_with(b".gcda")) {
            return Err(strange("it does not end in `.gcda`"));
        }
        Ok(parts)
    }
}

fn strange(name: &[u8], why: &'static str) -> FolderError {
    FolderError::Name {
        name: crate::text::beginning(&String::from_utf8_lossy(name)),
        why,
    }
}

/// Opens the folder of that name in `folder`, and makes it if there is none.
fn enter(folder: impl AsFd, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let open = || rustix::fs::openat(&folder, name, FOLDER, Mode::empty());
    match open() {
        Err(Errno::NOENT) => {}
        other => return other,
    }
    match rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o777)) {
        Ok(()) | Err(Errno::EXIST) => open(),
        Err(error) => Err(error),
    }
}

/// What is in the file of that name in `folder`; `None` if there is none. `path` is for messages.
fn before(folder: impl AsFd, name: &[u8], path: &Path) -> Result<Option<Data>, FolderError> {
    let other = |why: String| FolderError::Other {
        path: path.to_owned(),
        why,
    };
    let refused = |source: io::Error| FolderError::Write(path.to_owned(), source);
    // Whatever has the name, opening it does not wait and does nothing.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(&folder, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        Err(Errno::LOOP) => return Err(other("is a link".to_owned())),
        Err(error) => return Err(refused(error.into())),
    };
    let metadata = file.metadata().map_err(refused)?;
    if !metadata.is_file() {
        return Err(other("is no file".to_owned()));
    }
    let mut bytes = Vec::new();
    // No more than what MAX_BYTES of counters take with what is around them.
    let most = 2 * MAX_BYTES as u64;
    file.take(most + 1).read_to_end(&mut bytes).map_err(refused)?;
    if bytes.len() as u64 > most {
        return Err(other("is too large for coverage data".to_owned()));
    }
    match Data::parse(&bytes) {
        Ok(data) => Ok(Some(data)),
        Err(error @ (DataError::Other | DataError::Damaged)) => Err(other(format!("is {error}"))),
    }
}

/// Gives the file of that name these bytes, all or none of them.
fn replace(folder: impl AsFd, name: &[u8], bytes: &[u8]) -> io::Result<()> {
    let name = CString::new(name)?;
    late::replace(folder.as_fd(), &name, None, |file| file.write_all(bytes))
}

/// More errors are not told.
const MOST_ERRORS: usize = 5;

/// A folder for the counters of a guest that will be confined when it has ended.
#[derive(Debug)]
pub struct LateFolder(Writer);

impl LateFolder {
    /// Opens the folder, or makes it, and starts the process.
    ///
    /// # Errors
    /// If it cannot be made, or is no folder, or the system refuses a process.
    ///
    /// # Safety
    /// This process has one thread.
    pub unsafe fn open(path: &Path) -> Result<Self, FolderError> {
        let Folder { folder, path } = Folder::open(path)?;
        let work = |folder, content: &mut Content| {
            // Nothing is written until all has come.
            let counters = receive(content)?;
            let path = path.clone();
            Ok(report(&Folder { folder, path }.write(&counters)))
        };
        // SAFETY: one thread, as the caller says: nothing is locked.
        unsafe { Writer::start(folder.as_fd(), work) }
            .map(Self)
            .map_err(|source| FolderError::Folder(path.clone(), source))
    }

    /// Has the counters written.
    ///
    /// # Errors
    /// What could not be written: a line for each reason.
    pub fn write(mut self, counters: &Counters) -> io::Result<()> {
        let mut send = |name: &[u8], bytes: &[u8]| self.0.data(name).and_then(|()| self.0.data(bytes));
        let sent = (counters.files.iter())
            .try_for_each(|file| send(&file.name, &file.data.bytes()))
            .and_then(|()| (counters.profile.iter()).try_for_each(|(name, profile)| send(name, profile)));
        let report = self.0.finish(sent)?;
        if report.is_empty() {
            return Ok(());
        }
        Err(io::Error::other(String::from_utf8_lossy(&report)))
    }
}

/// What comes: name and content of each file.
fn receive(content: &mut Content) -> io::Result<Counters> {
    let mut counters = Counters::default();
    let mut left = 3 * MAX_BYTES;
    let mut take = |size| {
        usize::checked_sub(left, size)
            .ok_or(Errno::FBIG)
            .map(|rest| left = rest)
    };
    while let Some(name) = content.piece(MAX_NAME)? {
        let bytes = content.piece(2 * MAX_BYTES)?.ok_or(Errno::INVAL)?;
        take(name.len() + bytes.len())?;
        if name.ends_with(SUFFIX) {
            counters.profile = Some((name, bytes));
        } else {
            let data = Data::parse(&bytes).map_err(|_| Errno::INVAL)?;
            take(data.size())?;
            counters.files.push(DataFile { name, data });
        }
        if counters.files.len() > MAX_FILES {
            return Err(Errno::FBIG.into());
        }
    }
    Ok(counters)
}

/// What is told of errors.
fn report(errors: &[FolderError]) -> String {
    let mut lines: Vec<_> = errors.iter().take(MOST_ERRORS).map(ToString::to_string).collect();
    if errors.len() > MOST_ERRORS {
        lines.push(format!("and {} more", errors.len() - MOST_ERRORS));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(path: &str) -> Folder {
        Folder {
            folder: rustix::fs::open("/", FOLDER, Mode::empty()).expect("the root"),
            path: path.into(),
        }
    }

    fn name(folder: &Folder, name: &str) -> Option<String> {
        let parts = folder.parts(name.as_bytes()).ok()?;
        Some(String::from_utf8_lossy(&parts.join(&b'/')).into_owned())
    }

    #[test]
    fn names_stay_in_the_folder() {
        let folder = folder("/home/u/build");
        let is = |given, expected: Option<&str>| assert_eq!(name(&folder, given).as_deref(), expected, "{given}");
        is("/home/u/build/a/b.gcda", Some("a/b.gcda"));
        is("/home/u/source/../build/b.gcda", Some("b.gcda"));
        is("/home/u/builder/b.gcda", Some("home/u/builder/b.gcda"));
        is("/home/u/build.gcda", Some("home/u/build.gcda"));
        is("home/u/build/b.gcda", Some("home/u/build/b.gcda"));
        is("b.gcda", Some("b.gcda"));
        is("./a//b.gcda", Some("a/b.gcda"));
        is("a/../../b.gcda", None);
        is("/../b.gcda", None);
        is("/home/u/build/b.gcno", None);
        is("/home/u/build/.gcda/", Some(".gcda"));
        is("", None);
        is("a\0.gcda", None);
        is(&format!("{}b.gcda", "a/".repeat(MAX_DEPTH)), None);
    }
}
