// SPDX-License-Identifier: MIT OR Apache-2.0
//! What waf sees as its source tree: a folder of links, and our build items with the paths of this checkout filled in.
//!
//! Waf writes beside the files that it reads: its unpacked library, lock files, and the objects of sources outside the
//! tree (which land wherever their relative path leads from the build folder). Here all of that stays below
//! `target/rtems`, and RTEMS' sources may be read-only.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result, bail};
use walkdir::WalkDir;

use paravirt_build::files::write_if_changed;

/// The link to our workspace in the tree.
pub const WORKSPACE: &str = "paravirt";
/// The build system's script. It unpacks a library beside itself, so it is copied and not linked.
const WAF: &str = "waf";
/// Names that are not part of the sources, by how they begin: results of other builds, and the repository, which would
/// describe the folder of links and not the sources.
const FOREIGN: [&str; 5] = ["build", ".git", ".lock", ".waf", "VERSION"];

/// Makes `tree` link to everything in `source` and to `workspace`.
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
    write_if_changed(&tree.join(WAF), &fs::read(source.join(WAF))?).map(drop)
}

/// Copies the items below `from` to `to`, with words that stand for paths replaced by these paths, which are relative to
/// what waf sees as its source tree. Items in `to` that `from` has no more are removed.
pub fn generate_items(from: &Path, to: &Path, placeholders: &[(&str, &str)]) -> Result<()> {
    for entry in WalkDir::new(from).follow_links(true) {
        let entry = entry.with_context(|| format!("cannot list {}", from.display()))?;
        if entry.file_type().is_file() {
            let item = fs::read_to_string(entry.path())?;
            let filled = fill(&item, placeholders).with_context(|| entry.path().display().to_string())?;
            write_if_changed(&to.join(entry.path().strip_prefix(from)?), filled.as_bytes())?;
        }
    }
    for entry in WalkDir::new(to) {
        let entry = entry?;
        if entry.file_type().is_file() && !from.join(entry.path().strip_prefix(to)?).is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn fill(item: &str, placeholders: &[(&str, &str)]) -> Result<String> {
    let mut filled = item.to_owned();
    for (word, path) in placeholders {
        filled = filled.replace(word, path);
    }
    if let Some(line) = filled.lines().find(|line| line.contains('@')) {
        bail!("unknown placeholder in {line:?}");
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACEHOLDERS: [(&str, &str); 1] = [("@PARAVIRT@", "paravirt/ffi")];

    #[test]
    fn placeholders_are_filled() {
        let filled = fill("- @PARAVIRT@/a.c\n- -I${TOP}/@PARAVIRT@/b\n", &PLACEHOLDERS);
        assert_eq!(
            filled.expect("known"),
            "- paravirt/ffi/a.c\n- -I${TOP}/paravirt/ffi/b\n"
        );
    }

    #[test]
    fn an_unknown_placeholder_is_an_error() {
        let error = fill("- @LIBARY@/x.a", &PLACEHOLDERS).expect_err("unknown");
        assert!(error.to_string().contains("@LIBARY@"), "{error}");
    }
}
