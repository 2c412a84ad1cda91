// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lists every value of the ABI as compilers see it, in Rust and in C, and compares the lists with the golden files and
//! with the document, `ffi/abi/README.md`.
//!
//! The names come from the sources ([`rust`], [`c`]), the values from objects that the target's compiler made, so that
//! nothing is written down twice and nothing new goes unnoticed.

pub mod c;
pub mod document;
pub mod golden;
pub mod listing;
pub mod machine;
pub mod objects;
pub mod registers;
pub mod rust;
pub mod thunks;
pub mod values;

use std::path::PathBuf;

/// The folder of the ABI: its document, its golden files, its crate.
#[must_use]
pub fn folder() -> PathBuf {
    paravirt_section_tests::workspace().join("ffi/abi")
}
