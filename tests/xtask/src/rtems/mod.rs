// SPDX-License-Identifier: MIT OR Apache-2.0
//! RTEMS as a guest: its BSP is built from a user's source tree, which stays as it is, with a user's tools.

pub mod build;
pub mod compare;
pub mod folders;
pub mod group;
pub mod host;
pub mod library;
pub mod location;
mod output;
pub mod results;
pub mod rust_example;
pub mod samples;
mod spec;
pub mod suite;
mod tree;
mod verdict;
mod version;
mod waf;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes a file, its folder included, unless it has that content already. Whether it was written.
///
/// # Errors
/// The file system's.
pub fn write_if_changed(path: &Path, content: &[u8]) -> Result<bool> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(false);
    }
    let folder = path.parent().context("a file has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(true)
}
