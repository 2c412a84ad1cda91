// SPDX-License-Identifier: MIT OR Apache-2.0
//! The C side: the names that the headers define, and their values as a compiler for the target says them; and what the
//! macro emits.

use std::fmt::Write as _;
use std::fs;

use object::read::File;
use paravirt_abi::interface;
use paravirt_abi::signature::Signature;
use paravirt_section_tests::compile::{Compiler, Language};
use paravirt_section_tests::tools::succeed;
use paravirt_section_tests::{scratch, workspace};

use crate::listing::Listing;
use crate::machine::Machine;
use crate::objects::Sections;
use crate::registers;
use crate::values::{self, Item, NUMBERS, TEXT, TEXTS};

/// The list.
///
/// # Panics
/// If the headers do not compile, or have something that this reader does not know.
#[must_use]
pub fn listing(machine: Machine) -> Listing {
    let compiler = compiler(machine);
    let items = items();
    let mut listing = Listing::default();
    compile(compiler, &source(&items), |object| {
        values::add(&items, object, &mut listing);
    });
    compile(compiler, "#include <paravirt/interface.h>\n", |object| {
        let sections = Sections::of(object);
        for name in declared() {
            let word = sections.word(&format!(".data.l4externals.sig.{name}"));
            let signature = Signature::from_word(word).expect("a prototype word");
            listing.add(format!("function {name} {word:#018x} {signature}"));
        }
        sections.add_entry(&mut listing);
        registers::add_thunks(&sections, machine, &mut listing);
    });
    listing
}

/// Returns whether the compiler takes these declarations beside those of `interface.h`: its messages if not.
///
/// # Errors
/// The messages of the compiler.
pub fn accepts(machine: Machine, prototypes: &str) -> Result<(), String> {
    let folder = scratch();
    let path = folder.path().join("prototypes.c");
    let source = format!("#include <paravirt/interface.h>\n{prototypes}");
    fs::write(&path, source).expect("a file in the scratch folder");
    compiler(machine)
        .compile(Language::C, &path, folder.path(), &[])
        .map(drop)
}

/// The compiler for an architecture.
fn compiler(machine: Machine) -> Compiler {
    let compiler = Compiler::Gcc(machine.arch());
    test_support::program(compiler.program());
    compiler
}

fn compile(compiler: Compiler, source: &str, body: impl FnOnce(&File<'_>)) {
    let folder = scratch();
    let path = folder.path().join("source.c");
    fs::write(&path, source).expect("a file in the scratch folder");
    let object = succeed(compiler.compile(Language::C, &path, folder.path(), &[]));
    let bytes = fs::read(object).expect("the compiler wrote the object");
    body(&File::parse(&*bytes).expect("an ELF file"));
}

fn source(items: &[Item]) -> String {
    let mut source = format!(
        "#include <stddef.h>\n#include <paravirt/abi.h>\n#include <paravirt/detail/signature.h>\n\
         extern const int64_t {NUMBERS}[];\nconst int64_t {NUMBERS}[] = {{\n"
    );
    for number in values::numbers(items) {
        writeln!(source, "(int64_t)({number}),").expect("a string takes everything");
    }
    writeln!(
        source,
        "}};\nextern const char {TEXTS}[][{TEXT}];\nconst char {TEXTS}[][{TEXT}] = {{"
    )
    .expect("a string takes everything");
    for text in values::texts(items) {
        writeln!(source, "{text},").expect("a string takes everything");
    }
    source.push_str("};\n");
    source
}

fn header(name: &str) -> String {
    let path = workspace().join("ffi/include/paravirt").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every name of the headers that has a value.
fn items() -> Vec<Item> {
    let mut items = Vec::new();
    constants(&header("abi.h"), &mut items);
    constants(&header("detail/signature.h"), &mut items);
    structures(&header("abi.h"), &mut items);
    items
}

/// Macros without arguments whose names do not end in an underscore: those are the headers' own.
fn constants(header: &str, items: &mut Vec<Item>) {
    for line in header.lines() {
        let Some((name, value)) = line.strip_prefix("#define ").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        if name.ends_with('_') || name.contains('(') {
            continue;
        }
        let (name, value) = (name.to_owned(), value.trim_start());
        items.push(if value.starts_with('"') {
            let value = name.clone();
            Item::Text { name, value }
        } else {
            let value = name.clone();
            Item::Number { name, value }
        });
    }
}

fn structures(header: &str, items: &mut Vec<Item>) {
    let mut inside: Option<&str> = None;
    for line in header.lines() {
        if let Some(name) = line.strip_prefix("struct ").and_then(|rest| rest.strip_suffix(" {")) {
            inside = Some(name);
            items.push(Item::Structure {
                name: name.to_owned(),
                layout: [format!("sizeof(struct {name})"), format!("_Alignof(struct {name})")],
            });
        } else if line == "};" {
            inside = None;
        } else if let Some(structure) = inside {
            let (declaration, _) = line
                .split_once(';')
                .unwrap_or_else(|| panic!("a field that this reader does not know: {line}"));
            let (kind, field) = declaration.trim().rsplit_once(' ').expect("a type and a name");
            let (field, count) = match field.find('[') {
                Some(start) => field.split_at(start),
                None => (field, ""),
            };
            items.push(Item::Field {
                name: format!("{structure}.{field}"),
                kind: format!("{kind}{count}"),
                place: [
                    format!("offsetof(struct {structure}, {field})"),
                    format!("sizeof(((struct {structure} *)0)->{field})"),
                ],
            });
        }
    }
}

/// The functions that `interface.h` declares.
fn declared() -> Vec<String> {
    let header = header("interface.h");
    let names: Vec<String> = header
        .lines()
        .filter_map(|line| {
            let rest = line.strip_prefix("L4_EXTERNAL_FUNC")?;
            let (kind, rest) = rest.split_once('(')?;
            let skipped = usize::from(kind.is_empty());
            let name = rest.split([',', ')']).nth(skipped)?;
            Some(name.trim().to_owned())
        })
        .collect();
    assert_eq!(names.len(), interface::FUNCTIONS.len(), "{names:?}");
    names
}
