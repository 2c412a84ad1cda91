// SPDX-License-Identifier: MIT OR Apache-2.0
//! Our build items for RTEMS name files that are there, and all of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use paravirt_section_tests::workspace;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Files of ours that the items name, by their path below `ffi`.
fn named() -> BTreeSet<String> {
    let mut items = Vec::new();
    files(&workspace().join("ffi/rtems/spec"), &mut items);
    items
        .iter()
        .map(|item| fs::read_to_string(item).expect("an item"))
        .flat_map(|item| {
            item.lines()
                .filter_map(|line| line.trim().strip_prefix("- @PARAVIRT@/").map(str::to_owned))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn every_named_file_is_there() {
    let ffi = workspace().join("ffi");
    let named = named();
    assert!(named.len() > 10, "{named:?}");
    for file in named {
        assert!(ffi.join(&file).is_file(), "{file}");
    }
}

/// A source that no item names is not built; a header that none names is not installed. Headers for hosts are not for
/// guests, and RTEMS has functions on memory and a `printf` of its own.
#[test]
fn every_file_is_named() {
    let ffi = workspace().join("ffi");
    let mut ours = Vec::new();
    files(&ffi.join("rtems/bsp"), &mut ours);
    files(&ffi.join("include/paravirt"), &mut ours);
    let named = named();
    let unnamed: Vec<&PathBuf> = ours
        .iter()
        .filter(|file| {
            !["host.h", "vm.h", "printf.h", "string.h"]
                .iter()
                .any(|name| file.ends_with(name))
        })
        .filter(|file| {
            let file = file.strip_prefix(&ffi).expect("it is below");
            !named.contains(&*file.to_string_lossy())
        })
        .collect();
    assert!(unnamed.is_empty(), "{unnamed:?}");
}
