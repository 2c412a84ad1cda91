// SPDX-License-Identifier: MIT OR Apache-2.0
//! Different prototypes for one name are refused.

use std::fmt::Write as _;
use std::process::Command;

use paravirt_abi::signature::Signature;
use paravirt_abi::signature::Type::{
    self, ConstPointer, F32, F64, I8, I16, I32, I64, Pointer, U8, U16, U32, U64, Unit,
};
use paravirt_section_tests::arch::Arch;
use paravirt_section_tests::compile::{Compiler, Language};
use paravirt_section_tests::link::Linker;
use paravirt_section_tests::tools::{self, fail, succeed};
use paravirt_section_tests::{fixture, require, scratch, table, workspace};

/// Two objects, with and without garbage collection.
fn in_two_objects(linker: Linker) {
    let compiler = Compiler::Gcc(Arch::X86_64);
    require!(compiler.program(), linker.program(Arch::X86_64));
    let folder = scratch();
    let objects = ["first.c", "other_prototype.c", "resolver.c"]
        .map(|source| succeed(compiler.compile(Language::C, &fixture(source), folder.path(), &["-O2"])));
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

/// What types are in which language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum In {
    C,
    Cpp,
    Both,
}

impl In {
    fn has(self, language: Language) -> bool {
        matches!(
            (self, language),
            (Self::Both, _) | (Self::C, Language::C) | (Self::Cpp, Language::Cpp)
        )
    }
}

/// What the types below are made of.
const TYPES: &str = "\
    #include <stddef.h>
    #include <stdbool.h>
    #include <paravirt/external.h>
    struct lamp { int a; };
    union either { int a; };
    enum color { RED, GREEN };
    enum level { LOWEST = -1, HIGHEST };
    typedef int array[4];
    typedef int *array_of_pointers[4];
    typedef int open_array[];
    typedef void function(int);
    typedef void (*callback)(int);
    typedef const char *(*const constant_callback)(const char *);
    #ifdef __SIZEOF_INT128__
    __extension__ typedef __int128 wide;
    #endif
    typedef float vector __attribute__((vector_size(16)));
    #ifdef __cplusplus
    enum class shade : unsigned char { DARK };
    enum class later : short;
    enum class truth : bool { NO };
    struct with_destructor { ~with_destructor(); };
    using no_pointer = decltype(nullptr);
    #else
    __extension__ typedef float _Complex complex_number;
    #endif
";

/// Every kind of type that can cross, and the type that it crosses as on x86.
const CROSSING: [(&str, Type, In); 38] = [
    ("signed char", I8, In::Both),
    ("char", I8, In::Both),
    ("uint8_t", U8, In::Both),
    ("short", I16, In::Both),
    ("uint16_t", U16, In::Both),
    ("int", I32, In::Both),
    ("unsigned", U32, In::Both),
    ("long long", I64, In::Both),
    ("uint64_t", U64, In::Both),
    ("float", F32, In::Both),
    ("double", F64, In::Both),
    ("wchar_t", I32, In::Both),
    ("char16_t", U16, In::Cpp),
    ("char32_t", U32, In::Cpp),
    ("enum color", U32, In::Both),
    ("enum level", I32, In::Both),
    ("shade", U8, In::Cpp),
    ("later", I16, In::Cpp),
    ("const int", I32, In::Both),
    ("const enum color", U32, In::Both),
    ("void *", Pointer, In::Both),
    ("const void *", ConstPointer, In::Both),
    ("volatile void *", Pointer, In::Both),
    ("const volatile void *", ConstPointer, In::Both),
    ("int *", Pointer, In::Both),
    ("const int *", ConstPointer, In::Both),
    ("volatile int *", Pointer, In::Both),
    ("const volatile int *", ConstPointer, In::Both),
    ("int *const", Pointer, In::Both),
    ("char *__restrict", Pointer, In::Both),
    ("const char *__restrict", ConstPointer, In::Both),
    ("const struct unknown *__restrict const", ConstPointer, In::Both),
    ("char *restrict", Pointer, In::C),
    ("_Atomic(int) *", Pointer, In::C),
    ("struct lamp *", Pointer, In::Both),
    ("const char *const *", ConstPointer, In::Both),
    ("array *", Pointer, In::Both),
    ("callback *", Pointer, In::Both),
];

/// The standards, each by its name and by what older compilers call it.
const STANDARDS: [(Language, &[&str]); 6] = [
    (Language::C, &["c11"]),
    (Language::C, &["c17"]),
    (Language::C, &["c23", "c2x"]),
    (Language::Cpp, &["c++17"]),
    (Language::Cpp, &["c++20"]),
    (Language::Cpp, &["c++23", "c++2b"]),
];

/// One function for each type as an argument, and one for each as the result: the same words in C and C++ as in Rust.
#[test]
fn the_same_types_cross_in_c_and_cpp() {
    for arch in [Arch::X86_64, Arch::I386] {
        for compiler in [Compiler::Gcc(arch), Compiler::Clang(arch)] {
            require!(compiler.program(), "ld.lld");
            for (language, names) in STANDARDS {
                let standard = compiler.standard(language, names);
                let folder = scratch();
                let mut text = format!("{TYPES}\nstruct unknown;\n");
                let mut expected = Vec::new();
                for (index, (name, code, found)) in CROSSING.into_iter().enumerate() {
                    if !found.has(language) {
                        continue;
                    }
                    writeln!(
                        text,
                        "L4_EXTERNAL_FUNC(void, board_a{index:02}, {name});\n\
                         L4_EXTERNAL_FUNC({name}, board_r{index:02});"
                    )
                    .expect("a string takes everything");
                    expected.push((format!("board_a{index:02}"), Signature::new(Unit, &[code])));
                    expected.push((format!("board_r{index:02}"), Signature::new(code, &[])));
                }
                expected.sort_by(|a, b| a.0.cmp(&b.0));
                text.push_str("#ifdef __cplusplus\nextern \"C\"\n#endif\nvoid _start(void);\nvoid _start(void) {}\n");
                let source = folder.path().join("types.c");
                std::fs::write(&source, text).expect("a file in the scratch folder");
                // A result's qualifiers mean nothing, which compilers say.
                let flags = [&standard[..], "-Wno-ignored-qualifiers"];
                let objects = [
                    succeed(compiler.compile(language, &source, folder.path(), &flags)),
                    succeed(compiler.compile(Language::C, &fixture("resolver.c"), folder.path(), &[])),
                ];
                let flags = ["--no-gc-sections"];
                let image = succeed(Linker::Lld.link(arch, &objects, folder.path(), &flags));
                assert_eq!(table::read(&image), expected, "{compiler:?} {standard}");
            }
        }
    }
}

/// Types that cannot cross, in each language, and where.
const REFUSED: [(&str, In); 22] = [
    ("bool", In::Both),
    ("truth", In::Cpp),
    ("struct lamp", In::Both),
    ("union either", In::Both),
    ("long double", In::Both),
    ("wide", In::Both),
    ("vector", In::Both),
    ("complex_number", In::C),
    ("callback", In::Both),
    ("constant_callback", In::Both),
    ("void (*)(int)", In::Both),
    ("function", In::Both),
    ("array", In::Both),
    ("array_of_pointers", In::Both),
    ("open_array", In::Both),
    ("int[4]", In::Both),
    ("_Atomic(int)", In::C),
    ("int *_Atomic", In::C),
    ("int &", In::Cpp),
    ("no_pointer", In::Cpp),
    ("int lamp::*", In::Cpp),
    ("with_destructor", In::Cpp),
];

/// Each type that cannot cross, as an argument and as a result; and what the compiler says.
#[test]
fn the_same_types_are_refused_in_c_and_cpp() {
    let arch = Arch::X86_64;
    for compiler in [Compiler::Gcc(arch), Compiler::Clang(arch)] {
        require!(compiler.program());
        let folder = scratch();
        let source = folder.path().join("refused.c");
        let refused = |declaration: &str, language, expected: &str| {
            std::fs::write(&source, format!("{TYPES}{declaration}\n")).expect("a file in the scratch folder");
            let messages = fail(compiler.compile(language, &source, folder.path(), &[]));
            assert!(
                messages.contains(expected),
                "{compiler:?} {language:?}: no {expected} in {messages}"
            );
        };
        for language in [Language::C, Language::Cpp] {
            for (name, found) in REFUSED {
                if !found.has(language) {
                    continue;
                }
                // `bool` is a macro in C.
                let shown = if name == "bool" { "" } else { name };
                refused(
                    &format!("L4_EXTERNAL_FUNC(int32_t, board_lamp, uint32_t, {name});"),
                    language,
                    &format!("external function board_lamp: argument of type {shown}"),
                );
                refused(
                    &format!("L4_EXTERNAL_FUNC({name}, board_lamp, uint32_t);"),
                    language,
                    &format!("external function: result of type {shown}"),
                );
                refused(
                    &format!(
                        "#include <paravirt/host.h>\n\
                         struct pvh_function table[] = {{PVH_TYPED_FUNCTION(void, board_lamp, {name})}};"
                    ),
                    language,
                    &format!("external function board_lamp: argument of type {shown}"),
                );
            }
            // What has no value is a result only.
            refused(
                "L4_EXTERNAL_FUNC(int32_t, board_lamp, uint32_t, void);",
                language,
                "external function board_lamp: argument of type void cannot cross",
            );
            // GCC has words of its own where it does not know a type's size in C.
            refused(
                "L4_EXTERNAL_FUNC(int32_t, board_lamp, struct unknown);",
                language,
                "struct unknown",
            );
        }
    }
}

/// What else is refused.
#[test]
fn by_the_compiler() {
    const REFUSED: [(&str, &str); 2] = [
        (
            "L4_EXTERNAL_FUNC(int, board_lamp, int, int, int, int, int, int, int, int, int, int, int, int, int, int, \
            int);",
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
            let text = format!("#include <paravirt/external.h>\n{declaration}\n");
            std::fs::write(&source, text).expect("a file in the scratch folder");
            for language in [Language::C, Language::Cpp] {
                let messages = fail(compiler.compile(language, &source, folder.path(), &[]));
                assert!(messages.contains(expected), "{language:?}: {messages}");
            }
        }
    }
}
