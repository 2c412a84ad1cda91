// SPDX-License-Identifier: MIT OR Apache-2.0
//! What C++ wants to be called before `main`. Constructors in C and Rust, on both architectures:
//! `tests/guests/constructors`.

use std::fs;
use std::path::{Path, PathBuf};

use paravirt_section_tests::arch::Arch;
use paravirt_section_tests::compile::{Compiler, Language};
use paravirt_section_tests::guest::{Profile, Project, link_argument};
use paravirt_section_tests::link::Linker;
use paravirt_section_tests::tools::{fail, succeed};
use paravirt_section_tests::{fixture, require, scratch, workspace};

use crate::rust::{project, run};

const GCC: Compiler = Compiler::Gcc(Arch::X86_64);
const CLANG: Compiler = Compiler::Clang(Arch::X86_64);

/// What keeps a compiler from a list of destructors.
const fn no_list(compiler: Compiler) -> &'static str {
    match compiler {
        Compiler::Gcc(_) => "-fno-use-cxa-atexit",
        Compiler::Clang(_) => "-fno-c++-static-destructors",
    }
}
const NO_LOCKS: &str = "-fno-threadsafe-statics";

/// A guest whose part in C++ is compiled by `compiler` with `options`; its image.
fn guest(
    project: &Project,
    (compiler, linker): (Compiler, Linker),
    script: &Path,
    options: &[&str],
) -> Result<PathBuf, String> {
    require!(compiler.program(), linker.program(Arch::X86_64));
    let folder = scratch();
    let source = fixture("guest/constructors.cc");
    let flags = [&["-O2", "-ffunction-sections"], options].concat();
    let part = compiler.compile(Language::Cpp, &source, folder.path(), &flags)?;
    project.guest(
        Profile::O2,
        linker,
        script,
        &[
            &link_argument("-Wl,--gc-sections"),
            &link_argument(part.to_str().expect("UTF-8")),
        ],
    )
}

fn script() -> PathBuf {
    workspace().join("linkcmds/x86_64.ld")
}

#[test]
fn objects_of_cpp_are_constructed_once_and_not_destroyed() {
    let (project, _guard) = project();
    for compiler in [GCC, CLANG] {
        for linker in Linker::ALL {
            let options = [no_list(compiler), NO_LOCKS];
            let image = succeed(guest(&project, (compiler, linker), &script(), &options));
            let (output, text) = run(&image, &[]);
            assert!(output.status.success(), "{text}{output:?}");
            let said: Vec<&str> = text.lines().filter(|line| line.starts_with("in C++")).collect();
            assert_eq!(
                said,
                [
                    "in C++, first: constructed",
                    "in C++, second: constructed",
                    "in C++, third: constructed",
                    "in C++, in use: constructed"
                ],
                "{compiler:?} {linker:?}: {text}"
            );
            assert!(text.starts_with("in C++"), "main came first: {text}");
        }
    }
}

#[test]
fn what_needs_a_cpp_library_names_the_option() {
    let (project, _guard) = project();
    for compiler in [GCC, CLANG] {
        for linker in Linker::ALL {
            let (list, locks) = (no_list(compiler), NO_LOCKS);
            for (missing, given) in [(list, locks), (locks, list)] {
                let image = guest(&project, (compiler, linker), &script(), &[given]);
                let messages = fail(image);
                assert!(messages.contains("ERROR(linkcmds)"), "{messages}");
                assert!(messages.contains(missing), "no {missing} in {messages}");
            }
        }
    }
}

/// A script of somebody's own need not know of constructors, and a system of its own calls them: they are not called
/// twice.
#[test]
fn a_script_that_does_not_collect_constructors_leaves_them_alone() {
    let (project, _guard) = project();
    let folder = scratch();
    let own = folder.path().join("own.ld");
    let complete = workspace().join("linkcmds/guest.ld");
    let text: String = fs::read_to_string(complete)
        .expect("the script")
        .lines()
        .filter(|line| !line.contains("__paravirt_constructors"))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(&own, text).expect("a file in the scratch folder");
    for linker in Linker::ALL {
        let options = [no_list(GCC), NO_LOCKS];
        let image = succeed(guest(&project, (GCC, linker), &own, &options));
        let (output, text) = run(&image, &[]);
        assert!(text.starts_with("board_"), "{text}{output:?}");
        // What main's part finds: nothing was constructed before.
        assert_eq!(output.status.code(), Some(1), "{text}");
    }
}
