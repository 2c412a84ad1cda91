// SPDX-License-Identifier: MIT OR Apache-2.0
//! What of a guest's source was executed: counters that gcc puts into C and C++ code, from the guest's memory to
//! `.gcda` files, of which `gcov` and `gcovr` make reports; and those that rustc puts into Rust, to a profile of LLVM's.
//!
//! [`Counters::of`] reads the counters of a guest that stands still or has ended, however it has ended: the guest does
//! nothing for it. [`Folder`] writes the files, or adds to those that are there; [`LateFolder`] does for a guest in a
//! [sandbox](crate::process::Builder::sandbox).

mod collect;
mod data;
mod folder;
mod llvm;

use std::fmt::{self, Display, Formatter};

pub use collect::CoverageError;
use data::{Data, DataError};
pub use folder::{Folder, FolderError, LateFolder};

use crate::debug::memory::ReadMemory;
use crate::image::Image;

/// The counters of a guest.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Of C and C++, in the order of the files' names.
    files: Vec<DataFile>,
    /// Of Rust: a file's name and its content.
    profile: Option<(Vec<u8>, Vec<u8>)>,
}

/// The counters of one object file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct DataFile {
    /// Name of the `.gcda` file as the compiler has put it into the guest, usually the whole path beside the object
    /// file. It is the guest's text: any bytes but 0.
    name: Vec<u8>,
    /// What belongs into it.
    data: Data,
}

impl Counters {
    /// Those of a guest of that image.
    ///
    /// # Errors
    /// If there are none, or they cannot be read.
    pub fn of(image: &Image, memory: &dyn ReadMemory) -> Result<Self, CoverageError> {
        let profile = llvm::profile(image, memory)?;
        let files = match collect::collect(image, memory) {
            Err(CoverageError::None) if profile.is_some() => Vec::new(),
            files => files?,
        };
        let profile = profile.map(|profile| (llvm::name(image), profile));
        Ok(Self { files, profile })
    }
}

/// What they are of.
impl Display for Counters {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.files.len() {
            0 => {}
            1 => f.write_str("1 object file")?,
            count => write!(f, "{count} object files")?,
        }
        match &self.profile {
            Some(_) if self.files.is_empty() => f.write_str("Rust code"),
            Some(_) => f.write_str(", and Rust code"),
            None => Ok(()),
        }
    }
}

/// Limit of the counters of a guest, and of one file, in bytes.
const MAX_BYTES: usize = 64 << 20;
/// Limit of the files of a guest.
const MAX_FILES: usize = 16_384;
/// Limit of a file's name in bytes.
const MAX_NAME: usize = 4096;
