// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest's counters, written when it has ended, by [a process of its own](crate::process::late): it takes only what
//! is in the form of such, whoever sends it.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::io::Errno;

use super::llvm::SUFFIX;
use super::{Counters, Data, DataFile, Folder, FolderError, MAX_BYTES, MAX_FILES, MAX_NAME};
use crate::process::late::{Content, Writer};

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
            .map_err(|source| FolderError::Folder {
                path: path.clone(),
                source,
            })
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
