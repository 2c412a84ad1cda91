// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds small images with the compilers and linkers at hand and reads their jump tables.

pub mod arch;
pub mod compile;
pub mod guest;
pub mod link;
pub mod split;
pub mod table;
pub mod tools;

/// The sources of the macro. Their crate can be linked into guests only, not into an ordinary program like a test.
#[path = "../../../bsp/src/external"]
pub mod external {
    mod arch;
    mod assembly;
    mod declare;

    pub use declare::{External, is_c_identifier, is_l4rtems, passes_as_hosts};
}
#[path = "../../../bsp/src/interface.rs"]
pub mod interface;

pub use paravirt_abi as abi;

use std::path::{Path, PathBuf};

/// The root of the workspace.
#[must_use]
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file among the fixtures.
#[must_use]
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A folder that disappears after the test.
///
/// # Panics
/// If there is no place for temporary files.
#[must_use]
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder for temporary files")
}
