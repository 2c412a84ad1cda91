// SPDX-License-Identifier: MIT OR Apache-2.0
//! The library way: a strong symbol wins over the weak thunk.

use std::path::PathBuf;
use std::process::Command;

use paravirt_section_tests::arch::Arch;
use paravirt_section_tests::compile::{Compiler, Language};
use paravirt_section_tests::link::Linker;
use paravirt_section_tests::table;
use paravirt_section_tests::tools::{self, succeed};
use paravirt_section_tests::{fixture, require, scratch};

const X86_64: Arch = Arch::X86_64;

/// Links the guest's objects with the library, which is given in the way that `arguments` says, before and after them.
fn remaining(linker: Linker, as_archive: bool, arguments: &[&str]) -> Vec<Vec<String>> {
    let compiler = Compiler::Gcc(X86_64);
    let folder = scratch();
    let compile = |source| {
        let flags = ["-O2", "-ffunction-sections"];
        succeed(compiler.compile(Language::C, &fixture(source), folder.path(), &flags))
    };
    let guest = ["first.c", "second.c", "resolver.c"].map(compile);
    let mut library: PathBuf = compile("host_library.c");
    if as_archive {
        let archive = folder.path().join("libhost.a");
        succeed(tools::run(Command::new("ar").arg("rcs").arg(&archive).arg(&library)));
        library = archive;
    }
    let mut first: Vec<_> = arguments.iter().map(PathBuf::from).collect();
    first.push(library);
    if !arguments.is_empty() {
        first.push("--no-whole-archive".into());
    }
    let mut last = guest.to_vec();
    last.extend(first.iter().cloned());
    first.extend(guest);
    [first, last]
        .map(|objects| {
            let flags = ["--gc-sections"];
            let image = succeed(linker.link(X86_64, &objects, folder.path(), &flags));
            table::names(&image)
        })
        .to_vec()
}

const REPLACED: [&str; 3] = ["board_bravo", "board_mike", "board_stop"];

fn strong_object_wins(linker: Linker) {
    require!("gcc", linker.program(X86_64));
    assert_eq!(remaining(linker, false, &[]), [REPLACED, REPLACED]);
}

fn whole_archive_wins(linker: Linker) {
    require!("gcc", "ar", linker.program(X86_64));
    assert_eq!(remaining(linker, true, &["--whole-archive"]), [REPLACED, REPLACED]);
}

/// A linker does not search an archive for what it has: the reason why the library must be linked whole.
fn plain_archive_is_not_searched(linker: Linker) {
    require!("gcc", "ar", linker.program(X86_64));
    let tables = remaining(linker, true, &[]);
    assert!(tables.iter().all(|names| names.len() == 5), "{tables:?}");
}

#[test]
fn strong_object_wins_in_gnu_ld() {
    strong_object_wins(Linker::Gnu);
}

#[test]
fn strong_object_wins_in_lld() {
    strong_object_wins(Linker::Lld);
}

#[test]
fn whole_archive_wins_in_gnu_ld() {
    whole_archive_wins(Linker::Gnu);
}

#[test]
fn whole_archive_wins_in_lld() {
    whole_archive_wins(Linker::Lld);
}

#[test]
fn plain_archive_is_not_searched_by_gnu_ld() {
    plain_archive_is_not_searched(Linker::Gnu);
}

#[test]
fn plain_archive_is_not_searched_by_lld() {
    plain_archive_is_not_searched(Linker::Lld);
}
