// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ABI is what its version number says: in Rust and in C, on both architectures, and in its document.

use std::path::{Path, PathBuf};

use paravirt_abi_tests::document::Document;
use paravirt_abi_tests::listing::Listing;
use paravirt_abi_tests::machine::Machine;
use paravirt_abi_tests::{c, folder, golden, rust};
use paravirt_build::interface;
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

/// Of what differs from x86-64, either way; the rest is the same.
fn differences_on_aarch64(found: &Listing, language: &str) {
    let other = golden::read(language, Machine::X86_64).expect("its golden file");
    let mut differences = Listing::default();
    for line in found.without(&other) {
        differences.add(line.to_owned());
    }
    for line in other.without(found) {
        differences.add(format!("{}{line}", golden::WITHOUT));
    }
    golden::compare(&differences, language, Machine::Aarch64, &scratch());
}

#[test]
fn rust_on_aarch64() {
    differences_on_aarch64(&rust::listing(Machine::Aarch64, &scratch()), "rust");
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
fn c_on_aarch64() {
    differences_on_aarch64(&c::listing(Machine::Aarch64), "c");
}

/// The C header and the document's table.
#[test]
fn what_is_written_from_the_list_of_functions_is_as_the_list_says() {
    for (path, text) in interface::files(&test_support::workspace()).expect("a document with a place for the table") {
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == text,
            "{} is not what the list in ffi/abi/src/interface.rs says; run `cargo xtask interface`",
            path.display()
        );
    }
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
