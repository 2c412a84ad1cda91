// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every architecture: assembled by GCC and clang, linked by GNU ld and lld, thunks decoded; the Rust macro's assembly
//! against the C header's.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget};
use paravirt_section_tests::arch::Arch;
use paravirt_section_tests::compile::{Compiler, Language};
use paravirt_section_tests::link::Linker;
use paravirt_section_tests::tools::succeed;
use paravirt_section_tests::{fixture, require, scratch, table, tools};

use crate::c;

/// C, through both compilers and both linkers.
fn linked(arch: Arch, flags: &[&str]) {
    for compiler in [Compiler::Gcc(arch), Compiler::Clang(arch)] {
        for linker in Linker::ALL {
            require!(compiler.program(), linker.program(arch));
            let folder = scratch();
            let objects = ["first.c", "second.c", "resolver.c"].map(|source| {
                let mut all = vec!["-Os", "-ffunction-sections"];
                all.extend(flags);
                succeed(compiler.compile(Language::C, &fixture(source), folder.path(), &all))
            });
            let image = succeed(linker.link(arch, &objects, folder.path(), &["--gc-sections"]));
            assert_eq!(table::read(&image), c::called(), "{compiler:?} {linker:?}");
        }
    }
}

#[test]
fn x86_64() {
    linked(Arch::X86_64, &[]);
}

#[test]
fn x86_64_in_intel_syntax() {
    linked(Arch::X86_64, &["-masm=intel"]);
}

#[test]
fn i386() {
    linked(Arch::I386, &[]);
}

#[test]
fn i386_in_intel_syntax() {
    linked(Arch::I386, &["-masm=intel"]);
}

#[test]
fn aarch64() {
    linked(Arch::Aarch64, &[]);
}

#[test]
fn armv7() {
    linked(Arch::Armv7, &["-marm"]);
}

#[test]
fn armv7_in_thumb() {
    linked(Arch::Armv7, &["-mthumb"]);
}

#[test]
fn riscv64() {
    linked(Arch::Riscv64, &[]);
}

/// The prototype of `board_alpha` in `first.c`, `fn(u32) -> i32`, in the parts that the macro's text has holes for.
macro_rules! text_of_the_macro {
    ($macro:ident) => {
        format!(
            paravirt_section_tests::$macro!(board_alpha),
            w0 = 0x87,
            w1 = 0,
            w2 = 0,
            w3 = 0x1000
        )
    };
}

fn rust_text(arch: Arch) -> String {
    match arch {
        Arch::X86_64 => text_of_the_macro!(__l4_external_x86_64),
        Arch::I386 => text_of_the_macro!(__l4_external_i386),
        Arch::Aarch64 => text_of_the_macro!(__l4_external_aarch64),
        Arch::Armv7 => text_of_the_macro!(__l4_external_armv7),
        Arch::Riscv64 => text_of_the_macro!(__l4_external_riscv64),
    }
}

/// Section name -> flags, alignment, bytes, relocations.
type Entry = BTreeMap<String, (String, u64, Vec<u8>, Vec<String>)>;

/// What an object holds for `board_alpha`.
fn entry(object: &Path) -> Entry {
    let bytes = fs::read(object).expect("the compiler wrote the object");
    let file = object::File::parse(&*bytes).expect("an ELF file");
    let mut sections = Entry::new();
    for section in file.sections() {
        let name = section.name().expect("UTF-8").to_owned();
        if !name.contains("l4externals") || !name.ends_with(".board_alpha") || name.starts_with(".rel") {
            continue;
        }
        let relocations = section
            .relocations()
            .map(|(offset, relocation)| {
                let target = match relocation.target() {
                    RelocationTarget::Symbol(index) => {
                        let symbol = file.symbol_by_index(index).expect("a symbol");
                        let section = symbol.section_index().map(|index| {
                            let section = file.section_by_index(index).expect("a section");
                            section.name().expect("UTF-8").to_owned()
                        });
                        // A local symbol and its section with an offset are the same place.
                        section.map_or_else(
                            || symbol.name().expect("UTF-8").to_owned(),
                            |section| format!("{section}+{:#x}", symbol.address()),
                        )
                    }
                    other => format!("{other:?}"),
                };
                format!("{offset:#x}: {:?} {target} {}", relocation.flags(), relocation.addend())
            })
            .collect();
        let content = (
            format!("{:?}", section.flags()),
            section.align(),
            section.data().expect("data").to_vec(),
            relocations,
        );
        sections.insert(name, content);
    }
    sections
}

/// Both languages emit the same, byte for byte, so the linker may keep the group of either.
#[test]
fn rust_and_c_emit_the_same() {
    for arch in Arch::ALL {
        for compiler in [Compiler::Gcc(arch), Compiler::Clang(arch)] {
            require!(compiler.program());
            let folder = scratch();
            let flags: &[&str] = if arch == Arch::Armv7 { &["-marm"] } else { &[] };
            let from_c = succeed(compiler.compile(Language::C, &fixture("first.c"), folder.path(), flags));
            let assembly = folder.path().join("macro.s");
            fs::write(&assembly, rust_text(arch)).expect("a file in the scratch folder");
            let from_rust = folder.path().join("macro.o");
            let mut command = std::process::Command::new(compiler.program());
            if matches!(compiler, Compiler::Clang(_)) {
                command.arg(format!("--target={}", arch.clang_target()));
            }
            succeed(tools::run(
                command.args(flags).arg("-c").arg(&assembly).arg("-o").arg(&from_rust),
            ));
            let (from_c, from_rust) = (entry(&from_c), entry(&from_rust));
            // On AArch64 also what the name means once all is linked.
            let sections = if arch == Arch::Aarch64 { 7 } else { 6 };
            assert_eq!(from_c.len(), sections, "{compiler:?}");
            assert_eq!(from_c, from_rust, "{compiler:?}");
        }
    }
}
