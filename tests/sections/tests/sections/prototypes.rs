// SPDX-License-Identifier: MIT OR Apache-2.0
//! Different prototypes for one name are refused.

use std::process::Command;

use paravirt_section_tests::arch::Arch;
use paravirt_section_tests::compile::{Compiler, Language};
use paravirt_section_tests::link::Linker;
use paravirt_section_tests::tools::{self, fail, succeed};
use paravirt_section_tests::{fixture, require, scratch, workspace};

/// Two objects, with and without garbage collection.
fn in_two_objects(linker: Linker) {
    let compiler = Compiler::Gcc(Arch::X86_64);
    require!(compiler.program(), linker.program(Arch::X86_64));
    let folder = scratch();
    let objects = ["first.c", "other_prototype.c", "resolver.c"].map(|source| {
        succeed(compiler.compile(Language::C, &fixture(source), folder.path(), &["-O2"]))
    });
    for gc in ["--gc-sections", "--no-gc-sections"] {
        let messages = fail(linker.link(Arch::X86_64, &objects, folder.path(), &[gc]));
        assert!(
            messages.contains("multiple definition of `board_alpha.has_one_prototype'")
                || messages.contains("duplicate symbol: board_alpha.has_one_prototype"),
            "{messages}"
        );
        assert!(messages.contains("first.o"), "{messages}");
        assert!(messages.contains("other_prototype.o"), "{messages}");
        assert!(!messages.contains("board_zulu"), "{messages}");
    }
}

#[test]
fn by_gnu_ld() {
    in_two_objects(Linker::Gnu);
}

#[test]
fn by_lld() {
    in_two_objects(Linker::Lld);
}

/// Link-time optimization puts both into one assembly file.
fn in_one_assembly(compiler: Compiler, linker: Linker) {
    require!(compiler.program(), linker.program(Arch::X86_64));
    let folder = scratch();
    let objects = ["first.c", "other_prototype.c", "resolver.c"].map(|source| {
        let flags = ["-O2", "-flto"];
        succeed(compiler.compile(Language::C, &fixture(source), folder.path(), &flags))
    });
    let messages = fail(tools::run(
        Command::new(compiler.program())
            .args(["-O2", "-flto", "-nostdlib", "-static", "-no-pie"])
            .arg(linker.argument())
            .arg("-L")
            .arg(workspace().join("linkcmds"))
            .arg(format!("-Wl,-T,{}", fixture("any.ld").display()))
            .args(objects)
            .arg("-o")
            .arg(folder.path().join("image")),
    ));
    let expected = "external function board_alpha is declared twice, with different prototypes";
    assert!(messages.contains(expected), "{messages}");
}

#[test]
fn by_the_assembler_of_gcc() {
    in_one_assembly(Compiler::Gcc(Arch::X86_64), Linker::Gnu);
}

#[test]
fn by_the_assembler_of_clang() {
    in_one_assembly(Compiler::Clang(Arch::X86_64), Linker::Lld);
}

/// Types that cannot cross, in each language; and what the compiler says.
#[test]
fn by_the_compiler() {
    const REFUSED: [(&str, &str); 8] = [
        (
            "L4_EXTERNAL_FUNC(int32_t, board_lamp, uint32_t, bool);",
            "external function board_lamp: argument of type ",
        ),
        (
            "L4_EXTERNAL_FUNC(int32_t, board_lamp, struct lamp);",
            "external function board_lamp: argument of type struct lamp cannot cross",
        ),
        (
            "L4_EXTERNAL_FUNC(int32_t, board_lamp, long double);",
            "argument of type long double cannot cross",
        ),
        (
            "L4_EXTERNAL_FUNC(int32_t, board_lamp, wide);",
            "argument of type wide cannot cross",
        ),
        (
            "L4_EXTERNAL_FUNC(struct lamp, board_lamp);",
            "external function: result of type struct lamp cannot cross",
        ),
        (
            "L4_EXTERNAL_FUNC(bool, board_lamp);",
            "external function: result of type ",
        ),
        (
            "L4_EXTERNAL_FUNC(int, board_lamp, int, int, int, int, int, int, int, int, int, int, int, int, int, int, int);",
            "external function board_lamp has more than 14 arguments",
        ),
        (
            "L4_EXTERNAL_FUNC(int, board_lamp, int); L4_EXTERNAL_FUNC(int, board_lamp, int *);",
            "conflicting",
        ),
    ];
    let arch = Arch::X86_64;
    for compiler in [Compiler::Gcc(arch), Compiler::Clang(arch)] {
        require!(compiler.program());
        let folder = scratch();
        let source = folder.path().join("refused.c");
        for (declaration, expected) in REFUSED {
            let text = format!(
                "#include <stdbool.h>\n#include <paravirt/external.h>\nstruct lamp {{ int a; }};\n\
                 __extension__ typedef __int128 wide;\n{declaration}\n"
            );
            std::fs::write(&source, text).expect("a file in the scratch folder");
            for language in [Language::C, Language::Cpp] {
                let messages = fail(compiler.compile(language, &source, folder.path(), &[]));
                assert!(messages.contains(expected), "{language:?}: {messages}");
            }
        }
    }
}
