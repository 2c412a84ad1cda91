// SPDX-License-Identifier: MIT OR Apache-2.0
//! The jump table of a linked image, read and checked from outside.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use object::{Architecture, Object, ObjectSection, ObjectSymbol};
use paravirt_abi::sections;
use paravirt_abi::signature::Signature;

use crate::arch::{Arch, Resolver};

/// Names and prototypes in the order of the table.
pub type Functions = Vec<(String, Signature)>;

/// The functions in the table of the image `path`, after checking that
/// * the tables have the same length and an index means the same function in all of them,
/// * the names are sorted and there is one of each,
/// * the string section holds nothing but the names,
/// * each slot holds the address of its resolver thunk,
/// * each thunk goes through its own slot, unless a strong symbol replaced it,
/// * each resolver thunk passes its own slot and symtab entry and goes through the resolver's pointer.
///
/// # Panics
/// If one of this is not so.
#[must_use]
pub fn read(path: &Path) -> Functions {
    let bytes = fs::read(path).expect("the linker wrote the image");
    let file = object::File::parse(&*bytes).expect("an ELF file");
    let image = Image::new(&file);

    let names = image.section(sections::STRINGS);
    let symbols = image.section(sections::SYMBOLS);
    let slots = image.section(sections::SLOTS);
    let signatures = image.section(sections::SIGNATURES);
    let unbound = image.section(".data.l4externals.unbound");
    let width = image.width;
    assert_eq!(symbols.data.len(), slots.data.len(), "a name for each slot");
    assert_eq!(unbound.data, slots.data, "a slot holds its initial value");
    assert_eq!(
        signatures.data.len() / 8,
        slots.data.len() / width,
        "a prototype for each slot"
    );

    let mut functions = Functions::new();
    let mut length_of_names = 0;
    for index in 0..slots.data.len() / width {
        let name = names.text_at(image.pointer(&symbols, index));
        length_of_names += name.len() + 1;
        let word = &signatures.data[index * 8..][..8];
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        let signature = Signature::from_word(word).expect("a well-formed word");
        image.check_thunks(
            &name,
            slots.address + (index * width) as u64,
            symbols.address + (index * width) as u64,
            image.pointer(&slots, index),
        );
        functions.push((name, signature));
    }
    assert_eq!(names.data.len(), length_of_names, "nothing but the names");
    assert!(functions.is_sorted_by(|a, b| a.0 < b.0), "{functions:?}");
    functions
}

/// The names of [`read`].
#[must_use]
pub fn names(path: &Path) -> Vec<String> {
    read(path).into_iter().map(|(name, _)| name).collect()
}

/// Returns whether a section or symbol of the image or object `path` has `name` in its name.
///
/// # Panics
/// If there is no such ELF file.
#[must_use]
pub fn mentions(path: &Path, name: &str) -> bool {
    let bytes = fs::read(path).expect("the linker wrote the image");
    let file = object::File::parse(&*bytes).expect("an ELF file");
    file.sections()
        .filter_map(|section| section.name().ok())
        .chain(file.symbols().filter_map(|symbol| symbol.name().ok()))
        .any(|found| found.contains(name))
}

struct Section<'a> {
    address: u64,
    data: &'a [u8],
}

impl Section<'_> {
    fn text_at(&self, address: u64) -> String {
        let offset = usize::try_from(address - self.address).expect("inside the section");
        let text = &self.data[offset..];
        let end = text.iter().position(|&byte| byte == 0).expect("a NUL");
        String::from_utf8(text[..end].to_vec()).expect("UTF-8")
    }
}

struct Symbol {
    address: u64,
    weak: bool,
}

struct Image<'a> {
    file: &'a object::File<'a>,
    arch: Arch,
    width: usize,
    symbols: HashMap<&'a str, Symbol>,
}

impl<'a> Image<'a> {
    fn new(file: &'a object::File<'a>) -> Self {
        let arch = match file.architecture() {
            Architecture::X86_64 => Arch::X86_64,
            Architecture::I386 => Arch::I386,
            Architecture::Aarch64 => Arch::Aarch64,
            Architecture::Arm => Arch::Armv7,
            Architecture::Riscv64 => Arch::Riscv64,
            other => panic!("no guest is built for {other:?}"),
        };
        let symbols = file.symbols().filter_map(|symbol| {
            let found = Symbol {
                address: symbol.address(),
                weak: symbol.is_weak(),
            };
            Some((symbol.name().ok()?, found))
        });
        Self {
            file,
            arch,
            width: if file.is_64() { 8 } else { 4 },
            symbols: symbols.collect(),
        }
    }

    /// A section; an empty one if the linker saw no reason to write it.
    fn section(&self, name: &str) -> Section<'a> {
        let section = self.file.section_by_name(name);
        Section {
            address: section.as_ref().map_or(0, ObjectSection::address),
            data: section.map_or(&[], |section| section.data().expect("data")),
        }
    }

    fn pointer(&self, section: &Section<'_>, index: usize) -> u64 {
        let bytes = &section.data[index * self.width..][..self.width];
        bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
    }

    fn symbol(&self, name: &str) -> &Symbol {
        self.symbols.get(name).unwrap_or_else(|| panic!("no symbol {name}"))
    }

    /// The code at `address`, whose lowest bit means Thumb on ARM.
    fn code(&self, address: u64) -> (&'a [u8], u64, bool) {
        let thumb = self.arch == Arch::Armv7 && address & 1 == 1;
        let address = address - u64::from(thumb);
        let section = self
            .file
            .sections()
            .find(|section| section.address() <= address && address - section.address() < section.size())
            .unwrap_or_else(|| panic!("no code at {address:#x}"));
        let offset = usize::try_from(address - section.address()).expect("inside the section");
        (&section.data().expect("code")[offset..], address, thumb)
    }

    fn check_thunks(&self, name: &str, slot: u64, symbol: u64, initial: u64) {
        assert_eq!(
            self.symbol(&format!("{name}.has_one_prototype")).address,
            slot,
            "the guard against other prototypes is the slot"
        );
        let resolve = self.symbol(&format!("{name}.resolve")).address;
        assert_eq!(initial, resolve, "the slot of {name} leads to its resolver thunk");
        let thunk = self.symbol(name);
        if thunk.weak {
            let (code, address, thumb) = self.code(thunk.address);
            assert_eq!(self.arch.slot_of_thunk(code, address, thumb), slot, "{name}");
        }
        let (code, address, thumb) = self.code(resolve);
        assert_eq!(
            self.arch.resolver_thunk(code, address, thumb),
            Resolver {
                slot,
                symbol,
                resolver: self.symbol(sections::RESOLVER_SYMBOL).address,
            },
            "{name}"
        );
    }
}
