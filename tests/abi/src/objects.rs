// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sections of an object: bytes, relocations, groups.

use std::fmt::Write as _;

use object::elf::{SHF_ALLOC, SHF_EXECINSTR, SHF_GROUP, SHF_WRITE};
use object::read::{File, Relocation, Section};
use object::{
    Architecture, Object, ObjectComdat, ObjectSection, ObjectSymbol, RelocationKind, RelocationTarget, SectionFlags,
};

use crate::listing::Listing;

/// The declaration whose entry is listed: one of the interface's, since both languages declare those.
pub const SAMPLE: &str = "pv_timer_stop";

/// The kinds of sections of an entry, in the order in which they are emitted.
pub const KINDS: [&str; 6] = [
    ".data.l4externals.str",
    ".data.l4externals.symtab",
    ".data.l4externals.jmptbl",
    ".data.l4externals.sig",
    ".data.l4externals.unbound",
    ".text.l4externals",
];
/// A further one, where callers may have the slot in place of the thunk: on AArch64.
const LINKED: &str = ".data.l4externals.linked";

/// An object's sections.
#[derive(Clone, Copy)]
pub struct Sections<'a, 'data>(&'a File<'data>);

/// Code, and where in it the linker will put which address.
pub struct Code {
    /// The instructions, from the symbol on.
    pub bytes: Vec<u8>,
    /// Offset in the code, and what is put there.
    pub addresses: Vec<(u64, String)>,
}

impl<'a, 'data> Sections<'a, 'data> {
    /// Those of an object.
    #[must_use]
    pub const fn of(file: &'a File<'data>) -> Self {
        Self(file)
    }

    /// Returns whether there is one of that name.
    #[must_use]
    pub fn has(self, name: &str) -> bool {
        self.0.section_by_name(name).is_some()
    }

    /// Section and offset of a symbol that is defined here.
    #[must_use]
    pub fn symbol(self, name: &str) -> Option<(String, u64)> {
        let symbol = self
            .0
            .symbols()
            .find(|symbol| symbol.name() == Ok(name) && symbol.is_definition())?;
        let section = self.0.section_by_index(symbol.section_index()?).ok()?;
        Some((section.name().ok()?.to_owned(), symbol.address()))
    }

    /// The word that a section consists of.
    ///
    /// # Panics
    /// If there is no such section, or it has not eight bytes.
    #[must_use]
    pub fn word(self, section: &str) -> u64 {
        let section = self.section(section);
        let bytes = section.data().expect("data");
        u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
    }

    /// The code from a symbol to the end of its section.
    ///
    /// # Panics
    /// If there is no such symbol.
    #[must_use]
    pub fn code(self, symbol: &str) -> Code {
        let (section, start) = self.symbol(symbol).unwrap_or_else(|| panic!("no symbol {symbol}"));
        let section = self.section(&section);
        let from = usize::try_from(start).expect("inside the section");
        Code {
            bytes: section.data().expect("code")[from..].to_vec(),
            addresses: self
                .addresses(&section)
                .into_iter()
                .filter_map(|(offset, target)| Some((offset.checked_sub(start)?, target)))
                .collect(),
        }
    }

    /// Lists a section's bytes, 16 a line, and the addresses in it.
    pub fn add_section(self, name: &str, label: &str, listing: &mut Listing) {
        let size = usize::try_from(self.section(name).size()).expect("it is in memory");
        self.add_start(name, size, label, listing);
    }

    /// Lists the first `size` bytes of a section.
    ///
    /// # Panics
    /// If there is no such section.
    pub fn add_start(self, name: &str, size: usize, label: &str, listing: &mut Listing) {
        let section = self.section(name);
        let bytes = &section.data().expect("data")[..size];
        for (line, bytes) in bytes.chunks(16).enumerate() {
            listing.add(format!("bytes {label} {:#04x} {}", line * 16, hex(bytes)));
        }
        for (offset, target) in self.addresses(&section) {
            listing.add(format!("address {label} {offset:#04x} {target}"));
        }
    }

    /// Lists the sections of the sample's entry and their group.
    ///
    /// # Panics
    /// If one is missing.
    pub fn add_entry(self, listing: &mut Listing) {
        let is_aarch64 = self.0.architecture() == Architecture::Aarch64;
        let kinds: Vec<&str> = KINDS.into_iter().chain(is_aarch64.then_some(LINKED)).collect();
        for &kind in &kinds {
            let section = self.section(&format!("{kind}.{SAMPLE}"));
            let mut line = format!("section {kind} flags {} align {}", flags(&section), section.align());
            let addresses = self.addresses(&section);
            if kind.starts_with(".text") {
                // The instructions are the guest's own; what they do is listed with the registers.
            } else if addresses.is_empty() {
                write!(line, " bytes {}", hex(section.data().expect("data"))).expect("a string takes everything");
            } else {
                write!(line, " size {}", section.size()).expect("a string takes everything");
            }
            listing.add(line);
            for (offset, target) in addresses {
                if kind.starts_with(".data") {
                    listing.add(format!("address {kind} {offset:#04x} {target}"));
                }
            }
        }
        let group = self
            .0
            .comdats()
            .find(|group| group.name().is_ok_and(|name| name.contains(&format!(".{SAMPLE}."))))
            .expect("a group");
        let members: Vec<String> = group
            .sections()
            .map(|index| self.0.section_by_index(index).expect("a section"))
            .map(|section| section.name().expect("UTF-8").to_owned())
            // Relocations are in the group of what they relocate.
            .filter(|name| !name.starts_with(".rel"))
            .collect();
        assert_eq!(members.len(), kinds.len(), "{members:?}");
        listing.add(format!("group {}", group.name().expect("UTF-8")));
        let (section, offset) = self.symbol(&format!("{SAMPLE}.has_one_prototype")).expect("the guard");
        listing.add(format!("guard has_one_prototype {section}+{offset}"));
    }

    fn section(self, name: &str) -> Section<'data, 'a> {
        self.0
            .section_by_name(name)
            .unwrap_or_else(|| panic!("no section {name}"))
    }

    /// Where in a section the linker puts addresses, and of what: by offset.
    fn addresses(self, section: &Section<'data, 'a>) -> Vec<(u64, String)> {
        let mut addresses: Vec<_> = section
            .relocations()
            // One without bits changes nothing in the image: it only has the linker keep what it names.
            .filter(|(_, relocation)| relocation.size() != 0)
            .map(|(offset, relocation)| {
                let bits = relocation.size();
                let target = self.target(section, offset, &relocation);
                (offset, format!("{bits}-bit {target}"))
            })
            .collect();
        addresses.sort();
        addresses
    }

    /// What a relocation leads to: a resolver thunk or a symbol that others see by its name, any other place by its
    /// section.
    fn target(self, section: &Section<'data, 'a>, offset: u64, relocation: &Relocation) -> String {
        let RelocationTarget::Symbol(index) = relocation.target() else {
            panic!("a relocation against {:?}", relocation.target());
        };
        let symbol = self.0.symbol_by_index(index).expect("a symbol");
        let name = symbol.name().expect("UTF-8");
        if symbol.is_global() && !name.is_empty() {
            return name.to_owned();
        }
        let index = symbol.section_index().expect("it is defined");
        if relocation.kind() == RelocationKind::Absolute {
            let mut place = symbol.address().wrapping_add_signed(relocation.addend());
            if relocation.has_implicit_addend() {
                place += implicit(section, offset);
            }
            let thunk = self.0.symbols().find(|symbol| {
                symbol.section_index() == Some(index)
                    && symbol.address() == place
                    && symbol.name().is_ok_and(|name| name.ends_with(".resolve"))
            });
            if let Some(thunk) = thunk {
                return thunk.name().expect("UTF-8").to_owned();
            }
        }
        let section = self.0.section_by_index(index).expect("its section");
        section.name().expect("UTF-8").to_owned()
    }
}

/// What the place of a relocation holds, which counts where relocations have no addend of their own: four bytes on
/// i386.
fn implicit(section: &Section<'_, '_>, offset: u64) -> u64 {
    let bytes = section.data_range(section.address() + offset, 4);
    let bytes = bytes.expect("data").expect("inside the section");
    u32::from_le_bytes(bytes.try_into().expect("four bytes")).into()
}

fn flags(section: &Section<'_, '_>) -> String {
    let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
        panic!("not an ELF file");
    };
    let mut rest = sh_flags.0;
    let mut letters = String::new();
    for (flag, letter) in [
        (SHF_ALLOC, 'a'),
        (SHF_WRITE, 'w'),
        (SHF_EXECINSTR, 'x'),
        (SHF_GROUP, 'G'),
    ] {
        if rest & flag.0 != 0 {
            rest &= !flag.0;
            letters.push(letter);
        }
    }
    assert_eq!(rest, 0, "other flags");
    letters
}

fn hex(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}
