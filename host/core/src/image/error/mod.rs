// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be wrong with a guest's file.
//!
//! Names from the file are printed with `{:?}`, so that a hostile name cannot drive a terminal.

mod file;
mod loader;
mod note;
mod segment;
mod table;

use alloc::boxed::Box;
use alloc::string::String;

use crate::text::Escaped;

pub use file::FileProblem;
pub use loader::LoaderProblem;
pub use note::NoteProblem;
pub use segment::SegmentProblem;
pub use table::TableProblem;

/// A file that is no usable guest: which file, what is wrong with it, and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}", file = Escaped(file))]
pub struct ImageError {
    /// The file as the user named it.
    pub file: String,
    /// What is wrong.
    pub problem: Box<Problem>,
}

/// What is wrong with a guest's file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is no ELF file of a guest.
    #[error(transparent)]
    File(#[from] FileProblem),
    /// Its segments.
    #[error(transparent)]
    Segment(#[from] SegmentProblem),
    /// Its tables of external functions.
    #[error(transparent)]
    Table(#[from] TableProblem),
    /// Its notes.
    #[error(transparent)]
    Note(#[from] NoteProblem),
    /// It is sound, but not for this host.
    #[error(transparent)]
    Loader(#[from] LoaderProblem),
}
