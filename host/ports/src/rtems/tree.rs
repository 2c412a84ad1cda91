// SPDX-License-Identifier: MIT OR Apache-2.0
//! What waf sees as its source tree: a folder of links.
//!
//! Waf writes beside the files that it reads: its unpacked library, lock files, and the objects of sources outside the
//! tree (which land wherever their relative path leads from the build folder). Here all of that stays below
//! `target/rtems`, and RTEMS' sources may be read-only.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};

/// The link to our workspace in the tree.
pub const WORKSPACE: &str = "paravirt";
/// The build system's script. It unpacks a library beside itself, so it is copied and not linked.
const WAF: &str = "waf";
/// Names that are not part of the sources, by how they begin: results of other builds, and the repository, which would
/// describe the folder of links and not the sources.
const FOREIGN: [&str; 5] = ["build", ".git", ".lock", ".waf", "VERSION"];

/// Makes `tree` link to everything in `source` and to `workspace`.
///
/// # Errors
/// The file system's.
pub fn link(source: &Path, workspace: &Path, tree: &Path) -> Result<()> {
    fs::create_dir_all(tree)?;
    for entry in fs::read_dir(tree)? {
        let entry = entry?;
        if entry.file_type()?.is_symlink() {
            fs::remove_file(entry.path())?;
        }
    }
    for entry in fs::read_dir(source).with_context(|| format!("cannot list {}", source.display()))? {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        if text != WAF && !text.ends_with(".ini") && !FOREIGN.iter().any(|foreign| text.starts_with(foreign)) {
            symlink(source.join(&name), tree.join(&name))?;
        }
    }
    symlink(workspace, tree.join(WORKSPACE))?;
    paravirt_build::files::write_if_changed(&tree.join(WAF), &fs::read(source.join(WAF))?)?;
    Ok(())
}
