// SPDX-License-Identifier: MIT OR Apache-2.0
//! The headers of the C API stand alone, and say what the Rust sources say.

use std::fs;

use paravirt_ports::rtems::bsp::Bsp;
use paravirt_rtems_tests::contract::{Contract, Provider};
use paravirt_rtems_tests::prototypes;
use paravirt_section_tests::arch::Arch;
use paravirt_section_tests::compile::{Compiler, Language};
use paravirt_section_tests::tools::{fail, succeed};
use paravirt_section_tests::{require, scratch, workspace};

/// GCC for the architecture of the BSP; the API's types have the same widths there as under RTEMS.
const GCC: Compiler = Compiler::Gcc(Arch::I386);

fn compile(language: Language, text: &str) -> Result<(), String> {
    let folder = scratch();
    let source = folder.path().join("test.c");
    fs::write(&source, text).expect("a file in the scratch folder");
    GCC.compile(language, &source, folder.path(), &[]).map(drop)
}

fn header(module: &str) -> String {
    let path = workspace().join(format!("ffi/include/paravirt/{module}.h"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn each_header_compiles_alone_as_c11_and_as_cpp17() {
    require!(GCC.program(), "i686-linux-gnu-g++");
    for module in prototypes::modules() {
        let text = format!("#include <paravirt/{module}.h>\n#include <paravirt/{module}.h>\n");
        for language in [Language::C, Language::Cpp] {
            succeed(compile(language, &text));
        }
    }
}

#[test]
fn all_headers_compile_together() {
    require!(GCC.program());
    let folder = workspace().join("ffi/include/paravirt");
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("the headers") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "h") {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            text.push_str(&format!("#include <paravirt/{name}>\n"));
        }
    }
    succeed(compile(Language::C, &text));
    succeed(compile(Language::Cpp, &text));
}

#[test]
fn a_header_declares_the_functions_that_its_module_exports() {
    for module in prototypes::modules() {
        let exported = prototypes::functions(&prototypes::of_module(&module));
        assert!(!exported.is_empty(), "{module}");
        assert_eq!(prototypes::functions(&header(&module)), exported, "{module}");
    }
}

/// Two declarations of one function with different types are an error of the compiler.
#[test]
fn the_prototypes_are_those_of_rust() {
    require!(GCC.program());
    for module in prototypes::modules() {
        let rust = prototypes::of_module(&module);
        succeed(compile(Language::C, &format!("#include <paravirt/{module}.h>\n{rust}")));
    }
}

#[test]
fn a_prototype_that_differs_is_noticed() {
    require!(GCC.program());
    let rust = prototypes::of_module("clock").replace("uint64_t", "uint32_t");
    let messages = fail(compile(Language::C, &format!("#include <paravirt/clock.h>\n{rust}")));
    assert!(messages.contains("conflicting types"), "{messages}");
}

/// The Rust side of the contract with RTEMS: `contract.toml` has its prototypes as RTEMS' headers do (the tests with
/// RTEMS compare these), and here they meet the Rust sources.
#[test]
fn the_contract_has_the_prototypes_of_the_rust_sources() {
    require!(GCC.program());
    for bsp in Bsp::ALL {
        prototypes_meet(bsp);
    }
}

/// The types have the same names on all processors, so any compiler compares them.
fn prototypes_meet(bsp: Bsp) {
    let mut text = String::from("#include <stdbool.h>\n#include <stdint.h>\n");
    for symbol in Contract::read(bsp).from(Provider::Rust) {
        text.push_str(&format!("{};\n", symbol.prototype));
    }
    let sources = workspace().join("ffi/rtems/src");
    let source = sources.join("interrupts").join(bsp.arch().name()).with_extension("rs");
    text.push_str(&prototypes::of(&source, &[]));
    succeed(compile(Language::C, &text));
}
