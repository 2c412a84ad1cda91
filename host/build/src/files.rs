// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writing files.

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
