// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be wrong with a guest's file.
//!
//! Names from the file are printed with `{:?}` where they are not known to be identifiers, so that a hostile name
//! cannot drive a terminal.

use alloc::string::String;

use crate::text::Escaped;

/// A file that is no usable guest: which file, what is wrong with it, and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}", file = Escaped(file))]
pub struct ImageError {
    /// The file as the user named it.
    pub file: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a guest's file, in words, with the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Whatever the host: with the ELF file, its segments, tables or notes.
    #[error("{0}")]
    Unsound(String),
    /// It is sound, but not for this host.
    #[error("{0}")]
    Refused(String),
}
