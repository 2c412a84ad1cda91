// SPDX-License-Identifier: MIT OR Apache-2.0
//! `host.h` is C11 and C++17, and says what the library says: the same structures, the same numbers.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use paravirt_host_core::guest::EndKind;

/// Compilers: program, language, bytes of a pointer.
const COMPILERS: [(&str, &str, usize); 6] = [
    ("gcc", "c", 8),
    ("i686-linux-gnu-gcc", "c", 4),
    ("clang", "c", 8),
    ("g++", "c++", 8),
    ("i686-linux-gnu-g++", "c++", 4),
    ("clang++", "c++", 8),
];

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Compiles `source` with every compiler that is there, each with what `more` adds for its width of pointers.
fn compile(source: &str, more: impl Fn(usize) -> String) {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let file = folder.path().join("source");
    for (program, language, pointer) in COMPILERS {
        test_support::program(program);
        fs::write(&file, source.to_owned() + &more(pointer)).expect("the scratch folder");
        let standard = if language == "c" { "c11" } else { "c++17" };
        let output = Command::new(program)
            .args(["-x", language, &format!("-std={standard}")])
            .args([
                "-Wall",
                "-Wextra",
                "-Wpedantic",
                "-Werror",
                "-fsyntax-only",
                "-I",
                "ffi/include",
            ])
            .arg(&file)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
            .output()
            .expect("the compiler is there");
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {language}: {messages}");
    }
}

#[test]
fn it_compiles_alone_and_makes_tables() {
    let source = "#include <paravirt/host.h>
        static int32_t lamp(uint32_t number, const void *name) { return number + (name != 0); }
        static double mean(void) { return 0; }
        static const struct pvh_function functions[] = {
          PVH_TYPED_FUNCTION(int32_t, lamp, uint32_t, const void *)
          PVH_TYPED_FUNCTION(double, mean)
          PVH_FUNCTION(lamp, 0)
        };
        int main(void) { return functions[0].signature == UINT64_C(0x1000000000000c87); }\n";
    compile(source, |_| String::new());
}

/// A field of a structure: name, size, alignment.
type Field = (String, usize, usize);

/// Size and alignment of a type of the library's where pointers have that size (System V ABI of both architectures).
fn size_of(ty: &str, pointer: usize) -> (usize, usize) {
    match ty {
        "u32" | "i32" => (4, 4),
        "u64" => (8, pointer),
        "[u64; 16]" => (128, pointer),
        "usize" => (pointer, pointer),
        _ if ty.starts_with('*') || ty.starts_with("Option<unsafe extern \"C\" fn(") => (pointer, pointer),
        other => panic!("what is the size of {other}?"),
    }
}

/// The structures of the library, by their names in C.
fn structures(pointer: usize) -> Vec<(String, Vec<Field>)> {
    // A field's type may go on on the next line.
    let text = read("host/staticlib/src/layout.rs").replace(":\n       ", ":");
    let mut structures: Vec<(String, Vec<Field>)> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("/// `struct ") {
            structures.push((name.trim_end_matches('`').to_owned(), Vec::new()));
        } else if let Some(field) = line.strip_prefix("    pub ") {
            let (name, ty) = field.split_once(": ").expect("a field has a type");
            let (size, alignment) = size_of(ty.trim_end_matches(','), pointer);
            let (_, fields) = structures.last_mut().expect("a field is in a structure");
            fields.push((name.to_owned(), size, alignment));
        }
    }
    structures
}

/// The numbers of the library, by their names in C.
fn numbers() -> Vec<(String, String)> {
    let layout = read("host/staticlib/src/layout.rs");
    let mut numbers = Vec::new();
    let mut name = None;
    for line in layout.lines() {
        if let Some(text) = line.strip_prefix("/// `PVH_") {
            name = Some(format!("PVH_{}", text.trim_end_matches('`')));
        } else if let (Some(name), Some((_, value))) = (name.take(), line.split_once(" = ")) {
            numbers.push((name, value.trim_end_matches(';').to_owned()));
        }
    }
    let errors = read("host/staticlib/src/argument.rs");
    for line in errors.lines() {
        if let Some((variant, value)) = line.trim().split_once(" = -") {
            let mut name = String::from("PVH_ERROR");
            for letter in variant.chars() {
                if letter.is_uppercase() {
                    name.push('_');
                }
                name.push(letter.to_ascii_uppercase());
            }
            numbers.push((name, format!("-{}", value.trim_end_matches(','))));
        }
    }
    for (name, kind) in [
        ("EXIT", EndKind::Exit),
        ("RESET", EndKind::Reset),
        ("FATAL", EndKind::Fatal),
        ("UNBOUND", EndKind::Unbound),
        ("FAULT", EndKind::Fault),
        ("STOPPED", EndKind::Stopped),
    ] {
        numbers.push((format!("PVH_END_{name}"), (kind as u32).to_string()));
    }
    numbers.push((
        "PVH_NEVER".to_owned(),
        format!("{}ull", paravirt_host_core::timers::NEVER),
    ));
    numbers
}

#[test]
fn structures_and_numbers_are_the_librarys() {
    let source = "#include <paravirt/host.h>\n#ifndef __cplusplus\n#define static_assert _Static_assert\n#endif\n";
    compile(source, |pointer| {
        let mut text = String::new();
        let mut line = |condition: String| {
            writeln!(text, "static_assert({condition}, \"{condition}\");").expect("text takes all");
        };
        for (name, fields) in structures(pointer) {
            let (mut end, mut largest) = (0_usize, 1);
            for (field, size, alignment) in fields {
                end = end.next_multiple_of(alignment);
                line(format!("offsetof(struct {name}, {field}) == {end}"));
                end += size;
                largest = largest.max(alignment);
            }
            line(format!("sizeof(struct {name}) == {}", end.next_multiple_of(largest)));
        }
        for (name, value) in numbers() {
            line(format!("{name} == ({value})"));
        }
        text
    });
}

/// A new name in the header must come with a check above.
#[test]
fn every_name_is_checked() {
    let header = read("ffi/include/paravirt/host.h");
    let mut found = BTreeSet::new();
    for line in header.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            // An alias for what is checked under its own name.
            ["#define", _, name, ..] if name.starts_with("PVH_") => continue,
            // Macros with arguments are checked by their use.
            ["#define", name, _, ..] if !name.contains('(') => found.insert(name.to_owned()),
            ["struct", name, "{"] => found.insert(name.to_owned()),
            _ => continue,
        };
    }
    let checked: BTreeSet<String> = structures(8)
        .into_iter()
        .map(|(name, _)| name)
        .chain(numbers().into_iter().map(|(name, _)| name))
        .collect();
    assert_eq!(found, checked);
}
