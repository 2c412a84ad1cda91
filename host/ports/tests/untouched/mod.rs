// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether a user's folders stay as they are.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use walkdir::WalkDir;

/// What tells that somebody has written: when an entry of a folder was last changed in any way, in s and ns, and which
/// one it is.
type State = (i64, i64, u64);

/// How many names an error shows.
const SHOWN: usize = 10;

/// Runs something that uses `folders`, and fails if anything in them was made, changed or removed.
///
/// # Errors
/// That of `run`; or what was written; or a folder cannot be read.
pub fn untouched(folders: &[&Path], run: impl FnOnce() -> Result<()>) -> Result<()> {
    let before = states(folders)?;
    run()?;
    let after = states(folders)?;
    let entries = before.keys().chain(after.keys());
    let mut written: Vec<_> = entries.filter(|&entry| before.get(entry) != after.get(entry)).collect();
    written.sort();
    written.dedup();
    let shown = written
        .iter()
        .take(SHOWN)
        .map(|entry| format!("\n  {}", entry.display()));
    ensure!(
        written.is_empty(),
        "{} entries of the user's folders were made, changed or removed:{}",
        written.len(),
        shown.collect::<String>()
    );
    Ok(())
}

fn states(folders: &[&Path]) -> Result<BTreeMap<PathBuf, State>> {
    let mut states = BTreeMap::new();
    for entry in folders.iter().flat_map(WalkDir::new) {
        let entry = entry.context("cannot read the user's folders")?;
        let metadata = entry.metadata().context("cannot read the user's folders")?;
        let state = (metadata.ctime(), metadata.ctime_nsec(), metadata.ino());
        states.insert(entry.into_path(), state);
    }
    Ok(states)
}
