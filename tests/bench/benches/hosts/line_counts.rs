// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long backends are.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use bench::table;

/// The folder of the backends.
const BACKENDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bsp/src/backend");
/// What backends for ring 0 share, beside it, and those for EL1.
const RING_0: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bsp/src/ring0");
const EL1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bsp/src/el1");

/// The bindings of Solo5 (revision 469c1a8 of 2026-08-16), `.c` and `.S` files, counted in the same way.
const SOLO5: [(&str, Lines); 3] = [
    ("Solo5 hvt", lines(736, 328)),
    ("Solo5 spt", lines(924, 570)),
    ("Solo5 xen", lines(2130, 1295)),
];

/// Lines of some files.
#[derive(Clone, Copy)]
struct Lines {
    all: usize,
    /// Neither blank nor comment.
    code: usize,
}

const fn lines(all: usize, code: usize) -> Lines {
    Lines { all, code }
}

/// Prints the table.
pub fn print() -> Result<()> {
    let mut rows = Vec::new();
    let mut folders: Vec<_> = fs::read_dir(BACKENDS)
        .context("cannot list the backends")?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    folders.sort();
    for folder in folders.iter().filter(|path| path.is_dir()) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        rows.push(row(&name, count(folder)?));
    }
    rows.push(row("shared by backends in ring 0", count(Path::new(RING_0))?));
    rows.push(row("shared by backends at EL1", count(Path::new(EL1))?));
    let mut shared = lines(0, 0);
    for file in folders.iter().filter(|path| path.is_file()) {
        add(&mut shared, file)?;
    }
    rows.push(row("shared by all", shared));
    rows.extend(SOLO5.map(|(name, lines)| row(name, lines)));
    println!("\nLines of each backend\n");
    let header = ["backend", "lines", "without comments and blank lines"].map(str::to_owned);
    print!("{}", table::markdown(&header, &rows));
    Ok(())
}

fn row(name: &str, lines: Lines) -> Vec<String> {
    vec![name.to_owned(), lines.all.to_string(), lines.code.to_string()]
}

/// The Rust files below `folder`.
fn count(folder: &Path) -> Result<Lines> {
    let mut sum = lines(0, 0);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            let inner = count(&path)?;
            sum.all += inner.all;
            sum.code += inner.code;
        } else {
            add(&mut sum, &path)?;
        }
    }
    Ok(sum)
}

/// Adds a file, if it is one of Rust. The project has line comments only.
fn add(sum: &mut Lines, file: &Path) -> Result<()> {
    if file.extension().is_none_or(|extension| extension != "rs") {
        return Ok(());
    }
    for line in fs::read_to_string(file)?.lines().map(str::trim) {
        sum.all += 1;
        sum.code += usize::from(!line.is_empty() && !line.starts_with("//"));
    }
    Ok(())
}
