// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask interface`: writes what is made from the list of interface functions.

use anyhow::Result;
use paravirt_build::files::write_if_changed;
use paravirt_build::interface;
use paravirt_build::workspace::Workspace;

/// Writes the files that are not as they should be, and names them.
///
/// # Errors
/// A file cannot be read or written.
pub fn run(workspace: &Workspace) -> Result<()> {
    for (path, text) in interface::files(workspace)? {
        if write_if_changed(&path, text.as_bytes())? {
            println!("{}", workspace.shorten(&path).display());
        }
    }
    Ok(())
}
