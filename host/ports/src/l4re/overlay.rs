// SPDX-License-Identifier: MIT OR Apache-2.0
//! A build folder of our own that stands on a user's: L4Re's makefiles write into the folder in which they build, and
//! the user's is not ours to write to.
//!
//! What was built is linked, a link for each file; a makefile that writes one anew replaces the link. What makefiles
//! change in place is copied.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};

use walkdir::WalkDir;

use super::tree::Tree;
use paravirt_build::files;

/// Folders with results that others build on.
const LINKED: [&str; 7] = ["bin", "config", "include", "lib", "pc", "scripts", "tool"];
/// The folder whose files are changed when a boot image is made.
const COPIED: &str = "pkg/bootstrap";

/// By what a generated makefile names the root of the build folder: one for a source folder, or one in which things are
/// built.
const ROOTS: [&str; 2] = ["OBJ", "OBJ_BASE"];
/// By what it names folders in that.
const BELOW: [&str; 2] = ["OBJ_DIR", "PKGDIR_OBJ"];

/// Makes `folder` anew.
pub fn make(tree: &Tree, folder: &Path) -> Result<()> {
    files::remove_folder(folder)?;
    fs::create_dir_all(folder)?;
    for name in LINKED {
        each_file(&tree.build.join(name), &folder.join(name), |from, to| symlink(from, to))?;
    }
    each_file(&tree.build.join(COPIED), &folder.join(COPIED), |from, to| {
        copy(folder, from, to)
    })?;
    for entry in fs::read_dir(&tree.build)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            copy(folder, &path, &folder.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    // Where programs are linked again when the first image is made, by their places in the user's folder.
    fs::write(folder.join(".Makeconf.phys_reloc"), "")?;
    symlink(&tree.source, folder.join("source"))?;
    // Where else images are configured, is the user's.
    Ok(fs::create_dir_all(folder.join("conf"))?)
}

/// Copies a file. A makefile that was generated names the folder to build in: from now on, ours.
fn copy(folder: &Path, from: &Path, to: &Path) -> std::io::Result<()> {
    if from.file_name() == Some(OsStr::new("Makefile")) {
        return fs::write(to, redirect(&fs::read_to_string(from)?, folder));
    }
    fs::copy(from, to).map(drop)
}

/// The makefile with `folder` in place of the folder to build in, which it gives by its root and by folders in that. It
/// is spelt as whoever built there has spelt it.
fn redirect(makefile: &str, folder: &Path) -> String {
    let root = makefile.lines().find_map(|line| match assignment(line)? {
        (name, root) if ROOTS.contains(&name) => Some(root),
        _ => None,
    });
    let Some(root) = root else {
        return makefile.to_owned();
    };
    let mut redirected = String::new();
    for line in makefile.lines() {
        let below = assignment(line)
            .filter(|(name, _)| ROOTS.contains(name) || BELOW.contains(name))
            .and_then(|(_, value)| Some((value, Path::new(value).strip_prefix(root).ok()?)));
        match below {
            Some((value, below)) => {
                let start = &line[..line.len() - value.len()];
                // Of the root itself nothing is left, and joining that would end it by a slash.
                let place = match below.as_os_str().is_empty() {
                    true => folder.to_owned(),
                    false => folder.join(below),
                };
                redirected.push_str(start);
                redirected.push_str(&place.to_string_lossy());
            }
            None => redirected.push_str(line),
        }
        redirected.push('\n');
    }
    redirected
}

/// The name of the variable that a line of a makefile sets, and the value.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    Some((name.trim_end_matches(':').trim_end(), value.trim_start()))
}

fn each_file(from: &Path, to: &Path, act: impl Fn(&Path, &Path) -> std::io::Result<()>) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in WalkDir::new(from).min_depth(1) {
        let entry = entry.with_context(|| format!("cannot list {}; was all of L4Re built?", from.display()))?;
        let new = to.join(entry.path().strip_prefix(from)?);
        if entry.path_is_symlink() {
            symlink(fs::read_link(entry.path())?, &new)?;
        } else if entry.file_type().is_dir() {
            fs::create_dir_all(&new)?;
        } else {
            act(entry.path(), &new).with_context(|| format!("cannot make {}", new.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_makefile_of_a_source_folder_builds_in_our_folder() {
        assert_eq!(
            redirect("SRC := /a/b\nOBJ := /a/b\nall:\n\t@make O=$(OBJ)\n", Path::new("/c")),
            "SRC := /a/b\nOBJ := /c\nall:\n\t@make O=$(OBJ)\n"
        );
    }

    #[test]
    fn a_makefile_of_a_folder_of_objects_does_too_and_finds_its_sources() {
        let makefile = "L4DIR=/l4/src\nOBJ_BASE=/l4\nOBJ_DIR=/l4/pkg/bootstrap/server/src\nSRC_DIR=/l4/src/pkg/bootstrap/server/src\n\
            PKGDIR_OBJ=/l4/pkg/bootstrap\nvpath %.c /l4/src/pkg/bootstrap/server/src\n";
        assert_eq!(
            redirect(makefile, Path::new("/c/d")),
            "L4DIR=/l4/src\nOBJ_BASE=/c/d\nOBJ_DIR=/c/d/pkg/bootstrap/server/src\nSRC_DIR=/l4/src/pkg/bootstrap/server/src\n\
             PKGDIR_OBJ=/c/d/pkg/bootstrap\nvpath %.c /l4/src/pkg/bootstrap/server/src\n"
        );
    }

    #[test]
    fn another_makefile_stays_as_it_is() {
        let makefile = "SRC := /a/b\nall:\n";
        assert_eq!(redirect(makefile, Path::new("/c")), makefile);
    }
}
