// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two files in C or C++ through every compiler, linker and optimization.

use std::process::Command;

use paravirt_section_tests::arch::Arch;
use paravirt_section_tests::compile::{Compiler, Language};
use paravirt_section_tests::link::Linker;
use paravirt_section_tests::table::{self, Functions};
use paravirt_section_tests::tools::{self, succeed};
use paravirt_section_tests::{fixture, require, scratch, workspace};

use paravirt_abi::signature::Signature;
use paravirt_abi::signature::Type::{ConstPointer, F32, F64, I8, I32, Never, Pointer, U16, U32, U64, Unit};

/// What the two files call.
pub fn called() -> Functions {
    [
        ("board_alpha", Signature::new(I32, &[U32])),
        ("board_bravo", Signature::new(Pointer, &[U16, F32])),
        ("board_mike", Signature::new(U64, &[ConstPointer, F64, I8])),
        ("board_stop", Signature::new(Never, &[U32])),
        ("board_zulu", Signature::new(Unit, &[])),
    ]
    .map(|(name, signature)| (name.to_owned(), signature))
    .to_vec()
}

/// What they declare.
pub fn declared() -> Functions {
    let mut functions = called();
    functions.push(("board_never_called".to_owned(), Signature::new(Unit, &[])));
    functions.push(("board_unused_too".to_owned(), Signature::new(Unit, &[Pointer])));
    functions.sort_by(|a, b| a.0.cmp(&b.0));
    functions
}

const SOURCES: [&str; 3] = ["first.c", "second.c", "resolver.c"];

/// Without link-time optimization.
fn separately(compiler: Compiler, language: Language, linker: Linker) {
    require!(compiler.program(), linker.program(Arch::X86_64));
    for level in ["-O0", "-O1", "-O2", "-Os"] {
        let folder = scratch();
        let objects = SOURCES.map(|source| {
            let flags = [level, "-ffunction-sections", "-fdata-sections"];
            succeed(compiler.compile(language, &fixture(source), folder.path(), &flags))
        });
        for (gc, expected) in [("--gc-sections", called()), ("--no-gc-sections", declared())] {
            let image = succeed(linker.link(Arch::X86_64, &objects, folder.path(), &[gc]));
            assert_eq!(table::read(&image), expected, "{level} {gc}");
            assert!(!table::mentions(&image, "l4_external_entry"), "{level} {gc}");
            let unused = table::mentions(&image, "board_never_called");
            assert_eq!(unused, gc == "--no-gc-sections", "{level} {gc}");
        }
    }
}

/// With it: the compiler calls the linker with its plugin.
fn together(compiler: Compiler, language: Language, linker: Linker) {
    require!(compiler.program(), linker.program(Arch::X86_64));
    for level in ["-O0", "-O2"] {
        for (gc, expected) in [("--gc-sections", called()), ("--no-gc-sections", declared())] {
            let folder = scratch();
            let image = folder.path().join("image");
            let objects = SOURCES
                .map(|source| succeed(compiler.compile(language, &fixture(source), folder.path(), &[level, "-flto"])));
            succeed(tools::run(
                Command::new(compiler.program())
                    .args([level, "-flto", "-nostdlib", "-static", "-no-pie"])
                    .arg(linker.argument())
                    // GNU ld reads the script at once, so the search path comes first.
                    .arg("-L")
                    .arg(workspace().join("linkcmds"))
                    .arg(format!("-Wl,{gc},-T,{}", fixture("any.ld").display()))
                    .args(objects)
                    .arg("-o")
                    .arg(&image),
            ));
            assert_eq!(table::read(&image), expected, "{level} {gc}");
        }
    }
}

macro_rules! combinations {
    ($($name:ident: $how:ident($compiler:ident, $language:ident, $linker:ident);)*) => {$(
        #[test]
        fn $name() {
            $how(Compiler::$compiler(Arch::X86_64), Language::$language, Linker::$linker);
        }
    )*};
}

combinations! {
    gcc_c_with_gnu_ld: separately(Gcc, C, Gnu);
    gcc_c_with_lld: separately(Gcc, C, Lld);
    gcc_cpp_with_gnu_ld: separately(Gcc, Cpp, Gnu);
    gcc_cpp_with_lld: separately(Gcc, Cpp, Lld);
    clang_c_with_gnu_ld: separately(Clang, C, Gnu);
    clang_c_with_lld: separately(Clang, C, Lld);
    clang_cpp_with_gnu_ld: separately(Clang, Cpp, Gnu);
    clang_cpp_with_lld: separately(Clang, Cpp, Lld);
    // Each compiler's link-time optimization needs its own linker.
    gcc_c_lto_with_gnu_ld: together(Gcc, C, Gnu);
    gcc_cpp_lto_with_gnu_ld: together(Gcc, Cpp, Gnu);
    clang_c_lto_with_lld: together(Clang, C, Lld);
    clang_cpp_lto_with_lld: together(Clang, Cpp, Lld);
}
