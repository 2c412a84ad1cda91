// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which RTEMS this is, for its own version string.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use paravirt_build::command;

/// What RTEMS' build system reads the version from.
pub const FILE: &str = "VERSION";

/// The content of [`FILE`] for the tree of links: that of a released `source`, else one made from its repository, which the
/// build system cannot see from the tree of links. Nothing if it is neither.
///
/// # Errors
/// The file system's.
pub fn describe(source: &Path) -> Result<Option<String>> {
    let released = source.join(FILE);
    if released.is_file() {
        return Ok(Some(fs::read_to_string(released)?));
    }
    let git = |arguments: &[&str]| {
        command::output(Command::new("git").arg("-C").arg(source).args(arguments))
    };
    let Ok(commit) = git(&["rev-parse", "HEAD"]) else {
        return Ok(None);
    };
    let modified = git(&["ls-files", "--modified"]).is_ok_and(|files| !files.is_empty());
    Ok(Some(format!(
        "[version]\nrevision = 6.0-{}{}\n",
        commit.trim(),
        if modified { "-modified" } else { "" }
    )))
}
