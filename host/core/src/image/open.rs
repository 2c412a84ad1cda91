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
    #[error("{file}: {1}; give the path of the linked guest executable", file = Escaped(.0))]
    Read(String, #[source] std::io::Error),
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
        let name = path.display().to_string();
        match File::open(path).and_then(|file| Ok((file.metadata()?.len(), file))) {
            Ok((length, file)) => {
                let buffer = Vec::with_capacity(length.min(elf::MAX_FILE + 1) as usize);
                Self::read(name, file, buffer)
            }
            Err(source) => Err(OpenError::Read(name, source)),
        }
    }

    /// Reads a file that is open, to its end, into an empty buffer, and parses it; `name` is for messages.
    ///
    /// # Errors
    /// As [`Image::open`].
    pub fn read(name: impl Into<String>, file: impl Read, mut buffer: Vec<u8>) -> Result<Self, OpenError> {
        let name = name.into();
        match read(file, &mut buffer) {
            Ok(()) => Ok(Self::parse(name, buffer)?),
            Err(source) => Err(OpenError::Read(name, source)),
        }
    }
}

/// Bytes by which an ELF file is known.
const MAGIC: u64 = 4;

/// Reads a file; one that is no ELF file only as far as that shows.
fn read(mut file: impl Read, buffer: &mut Vec<u8>) -> std::io::Result<()> {
    file.by_ref().take(MAGIC).read_to_end(buffer)?;
    if elf::has_magic(buffer) {
        // One byte more than a guest may have is enough to refuse it, be the file endless.
        file.take(elf::MAX_FILE + 1 - MAGIC).read_to_end(buffer)?;
    }
    Ok(())
}
