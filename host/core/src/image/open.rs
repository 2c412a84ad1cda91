// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading a guest from a file, where there are files.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::{Image, ImageError, elf};

use crate::text::Escaped;

/// Why a file could not be had as an image.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be read.
    #[error("{file}: {source}; give the path of the linked guest executable", file = Escaped(file))]
    Read {
        /// The file as the user named it.
        file: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is no usable guest.
    #[error(transparent)]
    Image(#[from] ImageError),
}

impl Image {
    /// Reads and parses a file.
    ///
    /// # Errors
    /// Names the file, what is wrong with it and the fix.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let bytes = File::open(path).and_then(|file| {
            let length = file.metadata()?.len();
            read(file, length)
        });
        Self::of(path.display().to_string(), bytes)
    }

    /// Reads and parses a file that is open, to its end; `name` is for messages.
    ///
    /// # Errors
    /// As [`Image::open`].
    pub fn read(name: impl Into<String>, file: impl Read) -> Result<Self, OpenError> {
        Self::of(name.into(), read(file, 0))
    }

    fn of(file: String, bytes: std::io::Result<Vec<u8>>) -> Result<Self, OpenError> {
        match bytes {
            Ok(bytes) => Ok(Self::parse(file, bytes)?),
            Err(source) => Err(OpenError::Read { file, source }),
        }
    }
}

/// The bytes of a file that may have that length.
fn read(file: impl Read, length: u64) -> std::io::Result<Vec<u8>> {
    // One byte more than a guest may have is enough to refuse it, be the file endless.
    let limit = elf::MAX_FILE + 1;
    let mut bytes = Vec::with_capacity(length.min(limit) as usize);
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
