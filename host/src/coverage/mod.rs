// SPDX-License-Identifier: MIT OR Apache-2.0
//! What of a guest's source was executed: counters that gcc puts into C and C++ code, from the guest's memory to
//! `.gcda` files, of which `gcov` and `gcovr` make reports; and those that rustc puts into Rust, to a profile of LLVM's.
//!
//! [`collect`] and [`profile`] read the counters of a guest that stands still or has ended, however it has ended: the
//! guest does nothing for it. [`Folder`] writes the files, or adds to those that are there.

mod collect;
mod data;
mod folder;
mod llvm;

pub use collect::{CoverageError, collect};
pub use data::{Data, DataError};
pub use folder::{Folder, FolderError};
pub use llvm::{profile, stem};

/// The counters of one object file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// Name of the `.gcda` file as the compiler has put it into the guest, usually the whole path beside the object
    /// file. It is the guest's text: any bytes but 0.
    pub name: Vec<u8>,
    /// What belongs into it.
    pub data: Data,
}

/// Limit of the counters of a guest, and of one file, in bytes.
pub const MAX_BYTES: usize = 64 << 20;
/// Limit of the files of a guest.
pub const MAX_FILES: usize = 16_384;
/// Limit of a file's name in bytes.
pub const MAX_NAME: usize = 4096;
