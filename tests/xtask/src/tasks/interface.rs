// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask interface`: writes what is made from the list of interface functions.

use std::fs;

use anyhow::{Context, Result};
use paravirt_build::interface;
use paravirt_build::workspace::Workspace;

/// Writes the files that are not as they should be, and names them.
///
/// # Errors
/// A file cannot be read or written.
pub fn run(workspace: &Workspace) -> Result<()> {
    for (path, text) in interface::files(workspace)? {
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            continue;
        }
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        println!("{}", path.strip_prefix(workspace.root()).unwrap_or(&path).display());
    }
    Ok(())
}
