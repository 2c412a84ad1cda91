// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ABI is what its version number says: in Rust and in C, on both architectures, and in its document.

use std::path::{Path, PathBuf};

use paravirt_abi_tests::document::Document;
use paravirt_abi_tests::machine::Machine;
use paravirt_abi_tests::{c, folder, golden, rust};
use paravirt_section_tests::tools::succeed;

fn scratch() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("abi")
}

fn rust_on(machine: Machine) {
    golden::compare(&rust::listing(machine, &scratch()), "rust", machine, &scratch());
}

fn c_on(machine: Machine) {
    golden::compare(&c::listing(machine), "c", machine, &scratch());
}

#[test]
fn rust_on_i386() {
    rust_on(Machine::I386);
}

#[test]
fn rust_on_x86_64() {
    rust_on(Machine::X86_64);
}

#[test]
fn c_on_i386() {
    c_on(Machine::I386);
}

#[test]
fn c_on_x86_64() {
    c_on(Machine::X86_64);
}

#[test]
fn the_document_says_what_the_golden_files_say() {
    let path = folder().join("README.md");
    let text = std::fs::read_to_string(&path).expect("the document");
    let document = Document::read(&text);
    let problems = document.problems();
    assert!(
        problems.is_empty(),
        "{} and the golden files differ:\n{}",
        path.display(),
        problems.join("\n")
    );
    for machine in Machine::ALL {
        succeed(c::accepts(machine, &document.prototypes()));
    }
}
