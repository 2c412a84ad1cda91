// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mistakes in linker scripts, and what the linker says about them.

use std::fs;

use paravirt_section_tests::arch::Arch;
use paravirt_section_tests::compile::{Compiler, Language};
use paravirt_section_tests::link::Linker;
use paravirt_section_tests::tools::fail;
use paravirt_section_tests::tools::succeed;
use paravirt_section_tests::{fixture, require, scratch, table};

/// Links the C fixtures by a script whose data part is `data`; the linker's messages if it fails.
fn link(linker: Linker, data: &str) -> Result<Vec<String>, String> {
    let compiler = Compiler::Gcc(Arch::X86_64);
    let folder = scratch();
    let objects = ["first.c", "second.c", "resolver.c"]
        .map(|source| succeed(compiler.compile(Language::C, &fixture(source), folder.path(), &["-O2"])));
    let script = folder.path().join("script.ld");
    let text = format!("ENTRY(_start)\nSECTIONS {{\n. = 0x100000;\n.text : {{ *(.text .text.*) }}\n{data}\n}}\n");
    fs::write(&script, text).expect("a file in the scratch folder");
    let image = linker.link_by(Arch::X86_64, &script, &objects, folder.path(), &[])?;
    Ok(table::names(&image))
}

fn each_linker(check: impl Fn(Linker)) {
    for linker in Linker::ALL {
        require!("gcc", linker.program(Arch::X86_64));
        check(linker);
    }
}

#[test]
fn the_fragment_before_data_is_right() {
    each_linker(|linker| {
        let names = succeed(link(linker, "INCLUDE externals.ld .data : { *(.data .data.*) }"));
        assert_eq!(names.len(), 7);
    });
}

#[test]
fn the_fragment_can_extend_the_default_script() {
    each_linker(|linker| {
        let compiler = Compiler::Gcc(Arch::X86_64);
        let folder = scratch();
        let objects = ["first.c", "second.c", "resolver.c"]
            .map(|source| succeed(compiler.compile(Language::C, &fixture(source), folder.path(), &["-O2"])));
        let script = folder.path().join("script.ld");
        fs::write(&script, "SECTIONS { INCLUDE externals.ld } INSERT BEFORE .data;\n")
            .expect("a file in the scratch folder");
        let image = succeed(linker.link_by(Arch::X86_64, &script, &objects, folder.path(), &["--gc-sections"]));
        assert_eq!(table::names(&image).len(), 5);
    });
}

#[test]
fn the_fragment_after_data_is_explained() {
    each_linker(|linker| {
        let messages = fail(link(linker, ".data : { *(.data .data.*) } INCLUDE externals.ld"));
        assert!(messages.contains("ERROR(linkcmds)"), "{messages}");
        assert!(messages.contains("swallowed by another output section"), "{messages}");
        assert!(messages.contains("`INCLUDE externals.ld` stands after"), "{messages}");
    });
}

#[test]
fn a_pattern_that_takes_one_table_is_explained() {
    each_linker(|linker| {
        let messages = fail(link(
            linker,
            ".own : { *(.data.l4externals.sig.*) } INCLUDE externals.ld .data : { *(.data .data.*) }",
        ));
        assert!(
            messages.contains("tables of external functions are not paired"),
            "{messages}"
        );
        assert!(messages.contains("another pattern in the script"), "{messages}");
    });
}
