// SPDX-License-Identifier: MIT OR Apache-2.0
//! Our build items for RTEMS, with the paths of this checkout filled in.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// A word in an item that stands for a path, and that path relative to what waf sees as its source tree.
pub type Placeholder<'a> = (&'a str, &'a str);

/// Copies the items below `from` to `to` with placeholders filled. Items in `to` that `from` has no more are removed.
/// Whether anything changed.
///
/// # Errors
/// The file system's, or an item with a placeholder that has no meaning.
pub fn generate(from: &Path, to: &Path, placeholders: &[Placeholder<'_>]) -> Result<bool> {
    let mut changed = false;
    let mut expected = Vec::new();
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        expected.push(entry.file_name());
        if entry.file_type()?.is_dir() {
            changed |= generate(&entry.path(), &target, placeholders)?;
        } else {
            let item = fs::read_to_string(entry.path())?;
            let filled = fill(&item, placeholders).with_context(|| entry.path().display().to_string())?;
            changed |= paravirt_build::files::write_if_changed(&target, filled.as_bytes())?;
        }
    }
    for entry in fs::read_dir(to).into_iter().flatten() {
        let entry = entry?;
        if expected.contains(&entry.file_name()) {
            continue;
        }
        changed = true;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(changed)
}

fn fill(item: &str, placeholders: &[Placeholder<'_>]) -> Result<String> {
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

    const PLACEHOLDERS: [Placeholder<'_>; 1] = [("@PARAVIRT@", "paravirt/ffi")];

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
