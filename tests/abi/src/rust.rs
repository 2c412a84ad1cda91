// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Rust side: the names that the sources of `paravirt-abi` make public, and their values as a compiler for the
//! target says them; and what the macro and the start-up code of `paravirt-bsp` emit.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::read::File;
use object::read::archive::ArchiveFile;
use paravirt_abi::interface::InterfaceFunction;
use paravirt_abi::signature::Signature;
use paravirt_abi::{interface, l4rtems};
use paravirt_section_tests::tools::{self, succeed};
use paravirt_section_tests::workspace;

use crate::listing::Listing;
use crate::machine::Machine;
use crate::objects::Sections;
use crate::values::{self, Item, NUMBERS, TEXT, TEXTS};
use crate::{folder, registers};

/// Types whose constants are numbers of the ABI.
const NUMERIC: [&str; 6] = ["u8", "u16", "u32", "u64", "i32", "usize"];

/// The list. What is built is kept in `scratch`.
///
/// # Panics
/// If a build fails, or a source has something that this reader does not know.
#[must_use]
pub fn listing(machine: Machine, scratch: &Path) -> Listing {
    let project = scratch.join(format!("rust-{}", machine.name()));
    let _lock = test_support::take_kept_folder(&project);
    let mut command = compiler(machine);
    let items = items(machine);
    write_project(&project, &items, machine);
    succeed(tools::run(
        command
            .current_dir(&project)
            .env("CARGO_TARGET_DIR", project.join("target")),
    ));
    let built = project
        .join("target")
        .join(machine.arch().rust_target())
        .join("release");

    let mut listing = Listing::default();
    let archive = fs::read(built.join("libvalues.rlib")).expect("the library just built");
    let with_values = object_with(&archive, |file| Sections::of(file).symbol(NUMBERS).is_some());
    let values = File::parse(with_values).expect("an ELF file");
    values::add(&items, &values, &mut listing);
    let with_note = object_with(&archive, |file| Sections::of(file).has(".note.paravirt"));
    let note = File::parse(with_note).expect("an ELF file");
    Sections::of(&note).add_section(".note.paravirt", "backend-note", &mut listing);

    let archive = fs::read(built.join("libparavirt_bsp.rlib")).expect("the layer's library");
    for function in &interface::FUNCTIONS {
        let section = format!(".data.l4externals.sig.{}", function.name);
        let object = object_with(&archive, |file| Sections::of(file).has(&section));
        let object = File::parse(object).expect("an ELF file");
        let word = Sections::of(&object).word(&section);
        assert_eq!(
            word,
            function.signature(machine.width()).word(),
            "the declaration of {} in paravirt-bsp and its prototype in paravirt-abi",
            function.name
        );
        add_function(function, machine, &mut listing);
    }
    for function in &l4rtems::FUNCTIONS {
        add_function(function, machine, &mut listing);
    }
    let sample = crate::objects::SAMPLE;
    let object = object_with(&archive, |file| {
        Sections::of(file).has(&format!(".text.l4externals.{sample}"))
    });
    let object = File::parse(object).expect("an ELF file");
    Sections::of(&object).add_entry(&mut listing);
    registers::add_thunks(&Sections::of(&object), machine, &mut listing);
    let object = object_with(&archive, |file| Sections::of(file).has(".note.paravirt"));
    let object = File::parse(object).expect("an ELF file");
    let sections = Sections::of(&object);
    sections.add_section(".note.paravirt", "identity-note", &mut listing);
    sections.add_start(".data.paravirt_vcpu", 24, "vcpu-page", &mut listing);
    let object = object_with(&archive, |file| Sections::of(file).symbol("paravirt_start").is_some());
    let object = File::parse(object).expect("an ELF file");
    registers::add_entry(&Sections::of(&object), machine, &mut listing);
    listing
}

fn add_function(function: &InterfaceFunction, machine: Machine, listing: &mut Listing) {
    let signature: Signature = function.signature(machine.width());
    listing.add(format!(
        "function {} {:#018x} {signature}",
        function.name,
        signature.word()
    ));
}

/// The command that builds the project.
fn compiler(machine: Machine) -> Command {
    let target = machine.arch().rust_target();
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["build", "--quiet", "--release", "--target", target])
        .args(["--package", "values", "--package", "paravirt-bsp"]);
    // As all guests are built: interrupts may come from ring 0.
    let flags = "-Crelocation-model=static -Cno-redzone --cfg=paravirt_no_redzone";
    test_support::build_for(&mut command, target, flags);
    command
}

/// The object of a library's archive for which `is_it` holds.
fn object_with(archive: &[u8], is_it: impl Fn(&File<'_>) -> bool) -> &[u8] {
    let file = ArchiveFile::parse(archive).expect("an archive");
    file.members()
        .map(|member| member.expect("a member"))
        .filter_map(|member| member.data(archive).ok())
        .find(|data| File::parse(*data).is_ok_and(|file| is_it(&file)))
        .expect("an object of the library holds it")
}

/// A package whose library holds the values and registers a backend.
fn write_project(project: &Path, items: &[Item], machine: Machine) {
    let mut source = format!(
        "#![no_std]\n\
         #[allow(unused)]\nuse paravirt_bsp::abi as paravirt_abi;\n\
         paravirt_bsp::image! {{ backends: [linux_syscall] }}\n\
         #[allow(unused)]\nconst fn size_of_field<S, T>(_: fn(&S) -> &T) -> usize {{ core::mem::size_of::<T>() }}\n\
         const fn text(text: &str) -> [u8; {TEXT}] {{\n\
         let mut bytes = [0; {TEXT}];\nlet mut i = 0;\nassert!(text.len() < {TEXT});\n\
         while i < text.len() {{ bytes[i] = text.as_bytes()[i]; i += 1; }}\nbytes }}\n\
         #[unsafe(no_mangle)]\npub static {NUMBERS}: [i64; {}] = [\n",
        values::numbers(items).count()
    );
    for number in values::numbers(items) {
        writeln!(source, "({number}) as i64,").expect("a string takes everything");
    }
    let count = values::texts(items).count();
    writeln!(
        source,
        "];\n#[unsafe(no_mangle)]\npub static {TEXTS}: [[u8; {TEXT}]; {count}] = ["
    )
    .expect("a string takes everything");
    for value in values::texts(items) {
        writeln!(source, "text({value}),").expect("a string takes everything");
    }
    source.push_str("];\n");
    let root = workspace();
    let manifest = format!(
        "[workspace]\n[package]\nname = \"values\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [dependencies.paravirt-bsp]\npath = {:?}\nfeatures = [\"linux-syscall\"]\n\
         [profile.release]\npanic = \"abort\"\ncodegen-units = 1\n",
        root.join("bsp")
    );
    let lock = fs::read_to_string(root.join("Cargo.lock")).expect("the workspace's lock file");
    for (name, content) in [("Cargo.toml", manifest), ("Cargo.lock", lock), ("src/lib.rs", source)] {
        let path = project.join(name);
        // A file that is as it was is left alone, so that cargo need not build again.
        if fs::read_to_string(&path).is_ok_and(|old| old == content) {
            continue;
        }
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for the project");
        fs::write(path, content).unwrap_or_else(|error| panic!("{}: {error}", machine.name()));
    }
}

/// Every public name of the crate that has a value there.
fn items(machine: Machine) -> Vec<Item> {
    let folder = folder().join("src");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the sources")
        .map(|entry| entry.expect("a source").path())
        .collect();
    // A module that is called as an architecture is for that one alone.
    files.retain(|file| machine == Machine::Aarch64 || !file.ends_with("aarch64.rs"));
    files.sort();
    let mut items = Vec::new();
    for file in files {
        let stem = file.file_stem().and_then(|stem| stem.to_str());
        let module = match stem.expect("a name") {
            "lib" => String::new(),
            name => format!("{name}::"),
        };
        let text = fs::read_to_string(&file).expect("a source");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        Reader::new(&module, &mut items).read(code);
    }
    items
}

/// What a line of a source is inside of.
enum Inside {
    Nothing,
    /// `impl NAME`.
    Implementation(String),
    /// A structure with a layout.
    Structure(String),
    /// An enumeration with numbers.
    Enumeration(String),
    /// A structure of `bitflags!`.
    Flags(String),
}

/// Reads a source as `cargo fmt` writes it, line by line.
struct Reader<'a> {
    module: &'a str,
    items: &'a mut Vec<Item>,
    inside: Inside,
    /// The line that ends what we are inside of.
    end: String,
    /// The last `#[repr(..)]`, until the item that it belongs to.
    representation: Option<String>,
    /// The last macro that was defined.
    macro_name: String,
    /// Macros that are given the variants of an enumeration, and that.
    lists: Vec<(String, String)>,
}

impl<'a> Reader<'a> {
    const fn new(module: &'a str, items: &'a mut Vec<Item>) -> Self {
        Self {
            module,
            items,
            inside: Inside::Nothing,
            end: String::new(),
            representation: None,
            macro_name: String::new(),
            lists: Vec::new(),
        }
    }

    fn read(&mut self, code: &str) {
        for line in code.lines() {
            let words = line.trim_start();
            if !matches!(self.inside, Inside::Nothing) && line == self.end {
                self.inside = Inside::Nothing;
            } else if let Some(representation) = words.strip_prefix("#[repr(") {
                self.representation = Some(representation.to_owned());
            } else if matches!(self.inside, Inside::Nothing) {
                self.open(line, words);
            } else {
                self.member(words);
            }
        }
    }

    fn open(&mut self, line: &str, words: &str) {
        let name = |rest: &str| -> String {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            rest[..end.unwrap_or(rest.len())].to_owned()
        };
        let path = |name: String| format!("{}{name}", self.module);
        self.inside = if let Some(rest) = words.strip_prefix("impl ")
            && rest.ends_with('{')
        {
            Inside::Implementation(path(name(rest)))
        } else if let Some(rest) = words.strip_prefix("pub struct ") {
            match self.representation.take() {
                Some(how) if how.starts_with('C') => {
                    let path = path(name(rest));
                    let full = format!("paravirt_abi::{path}");
                    self.items.push(Item::Structure {
                        name: path.clone(),
                        layout: [
                            format!("core::mem::size_of::<{full}>()"),
                            format!("core::mem::align_of::<{full}>()"),
                        ],
                    });
                    Inside::Structure(path)
                }
                _ if rest.ends_with(": u32 {") => Inside::Flags(path(name(rest))),
                _ => Inside::Nothing,
            }
        } else if let Some(rest) = words.strip_prefix("pub enum ") {
            match self.representation.take() {
                Some(_) => Inside::Enumeration(path(name(rest))),
                None => Inside::Nothing,
            }
        } else if let Some(rest) = words.strip_prefix("macro_rules! ") {
            self.macro_name = name(rest);
            Inside::Nothing
        } else if let Some(list) = words.strip_suffix("! {")
            && let Some((_, path)) = self.lists.iter().find(|(name, _)| name == list)
        {
            Inside::Enumeration(path.clone())
        } else {
            self.constant(words, "");
            Inside::Nothing
        };
        let indent = line.len() - words.len();
        self.end = format!("{}}}", " ".repeat(indent));
    }

    fn member(&mut self, words: &str) {
        match &self.inside {
            Inside::Nothing => {}
            Inside::Implementation(name) => {
                let name = format!("{}::", name.rsplit("::").next().unwrap_or_default());
                self.constant(words, &name);
            }
            Inside::Structure(path) => {
                if let Some((field, kind)) = words
                    .strip_prefix("pub ")
                    .and_then(|words| words.strip_suffix(','))
                    .and_then(|words| words.split_once(": "))
                {
                    let full = format!("paravirt_abi::{path}");
                    self.items.push(Item::Field {
                        name: format!("{path}.{field}"),
                        kind: kind.to_owned(),
                        place: [
                            format!("core::mem::offset_of!({full}, {field})"),
                            format!("size_of_field(|s: &{full}| &s.{field})"),
                        ],
                    });
                } else {
                    assert!(is_prose(words), "a field that this reader does not know: {words}");
                }
            }
            Inside::Enumeration(path) => {
                if words.starts_with("$(") {
                    // The macro's invocation has them.
                    self.lists.push((self.macro_name.clone(), path.clone()));
                } else if let Some((variant, _)) = words.split_once(" = ") {
                    let name = format!("{path}::{variant}");
                    self.number(&name, &format!("paravirt_abi::{name}"));
                } else {
                    assert!(is_prose(words), "a variant without a number: {words}");
                }
            }
            Inside::Flags(path) => {
                if let Some((flag, _)) = words.strip_prefix("const ").and_then(|words| words.split_once(" = ")) {
                    let name = format!("{path}::{flag}");
                    self.number(&name, &format!("paravirt_abi::{name}.bits()"));
                } else {
                    assert!(is_prose(words), "a flag that this reader does not know: {words}");
                }
            }
        }
    }

    /// A constant of the module or, with a prefix, of a type in it. Lists are made of what is listed anyway.
    fn constant(&mut self, words: &str, prefix: &str) {
        let Some((name, rest)) = words
            .strip_prefix("pub const ")
            .and_then(|words| words.split_once(": "))
            .filter(|(name, _)| !name.contains([' ', '(']))
        else {
            return;
        };
        let kind = rest.split(" =").next().unwrap_or_default();
        let name = format!("{}{prefix}{name}", self.module);
        let full = format!("paravirt_abi::{name}");
        match kind {
            "&str" => self.items.push(Item::Text { name, value: full }),
            kind if NUMERIC.contains(&kind) => self.number(&name, &full),
            kind => assert!(
                kind.starts_with('['),
                "a constant of a type that this reader does not know: {words}"
            ),
        }
    }

    fn number(&mut self, name: &str, value: &str) {
        self.items.push(Item::Number {
            name: name.to_owned(),
            value: value.to_owned(),
        });
    }
}

/// Comments and attributes.
fn is_prose(words: &str) -> bool {
    words.is_empty() || words.starts_with("//") || words.starts_with('#')
}
