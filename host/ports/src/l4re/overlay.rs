// SPDX-License-Identifier: MIT OR Apache-2.0
//! A build folder of our own that stands on a user's: L4Re's makefiles write into the folder in which they build, and the user's is
//! not ours to write to.
//!
//! What was built is linked, a link for each file; a makefile that writes one anew replaces the link. What makefiles change in place
//! is copied.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};

use super::tree::Tree;

/// Folders with results that others build on.
const LINKED: [&str; 7] = ["bin", "config", "include", "lib", "pc", "scripts", "tool"];
/// Folders whose files are changed when a boot image is made.
const COPIED: [&str; 1] = ["pkg/bootstrap"];

/// Makes `folder` anew.
///
/// # Errors
/// The file system's; or the user's folder lacks what was built there.
pub fn make(tree: &Tree, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(folder)?;
    for name in LINKED {
        each_file(&tree.build.join(name), &folder.join(name), |from, to| {
            symlink(from, to)
        })?;
    }
    for name in COPIED {
        each_file(&tree.build.join(name), &folder.join(name), |from, to| {
            copy(tree, folder, from, to)
        })?;
    }
    for entry in fs::read_dir(&tree.build)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            copy(tree, folder, &path, &folder.join(name))
                .with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    // Where programs are linked again when the first image is made, by their places in the user's folder.
    fs::write(folder.join(".Makeconf.phys_reloc"), "")?;
    symlink(&tree.source, folder.join("source"))?;
    // Where else images are configured, is the user's.
    fs::create_dir_all(folder.join("conf"))?;
    Ok(())
}

/// Copies a file. A makefile that was generated names the folder to build in: from now on, ours.
fn copy(tree: &Tree, folder: &Path, from: &Path, to: &Path) -> std::io::Result<()> {
    if from.file_name() == Some(OsStr::new("Makefile")) {
        let text = fs::read_to_string(from)?;
        return fs::write(to, redirect(&text, &tree.build, folder));
    }
    fs::copy(from, to).map(drop)
}

fn redirect(makefile: &str, from: &Path, to: &Path) -> String {
    let line = |folder: &Path| format!("OBJ := {}\n", folder.display());
    makefile.replace(&line(from), &line(to))
}

fn each_file(
    from: &Path,
    to: &Path,
    mut act: impl FnMut(&Path, &Path) -> std::io::Result<()> + Copy,
) -> Result<()> {
    fs::create_dir_all(to)?;
    let entries = fs::read_dir(from)
        .with_context(|| format!("cannot list {}; was all of L4Re built?", from.display()))?;
    for entry in entries {
        let path = entry?.path();
        let Some(name) = path.file_name() else {
            continue;
        };
        let new = to.join(name);
        if path.is_symlink() {
            symlink(fs::read_link(&path)?, &new)?;
        } else if path.is_dir() {
            each_file(&path, &new, act)?;
        } else {
            act(&path, &new).with_context(|| format!("cannot make {}", new.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_makefile_builds_in_our_folder() {
        assert_eq!(
            redirect(
                "SRC := /a/b\nOBJ := /a/b\nall:\n",
                Path::new("/a/b"),
                Path::new("/c")
            ),
            "SRC := /a/b\nOBJ := /c\nall:\n"
        );
    }
}
