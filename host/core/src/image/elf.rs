// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ELF file itself, both classes, brought to one form. Nothing above knows classes or the `object` crate.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Display;
use core::ops::Range;

use object::LittleEndian;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, SectionTable};
use paravirt_abi::signature::Width;

use super::Machine;
use super::note;
use super::segments::{Access, RawSegment};
use super::symbols::{self, SymbolTable, Symbols};

/// Limit of a file's size in bytes, so that a scan has a bound.
pub(super) const MAX_FILE: u64 = 1 << 28;

/// Limit of the number of sections that are part of the image's memory. A linker script makes some dozens of them.
const MAX_SECTIONS: usize = 1 << 16;
/// More of a section's name is not looked at: longer than the names of all tables, and of what a linker script makes.
const MAX_SECTION_NAME: usize = 256;

const ENDIAN: LittleEndian = LittleEndian;

/// What the file says, unchecked but for its structure.
pub(super) struct Raw<'a> {
    pub(super) machine: Machine,
    pub(super) entry: u64,
    /// It asks for a dynamic linker.
    pub(super) dynamic: bool,
    pub(super) segments: Vec<RawSegment>,
    /// The notes of our owner and of Xen's.
    pub(super) notes: Vec<Note<'a>>,
    /// Sections that are part of the image's memory.
    pub(super) sections: Vec<Section<'a>>,
    pub(super) symbols: SymbolTable,
    /// What the symbol of the resolver's variable says its address is.
    pub(super) resolver: Option<u64>,
}

/// A note.
pub(super) struct Note<'a> {
    pub(super) owner: &'a [u8],
    pub(super) kind: u32,
    pub(super) descriptor: &'a [u8],
}

/// A section in memory.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    pub(super) name: &'a [u8],
    pub(super) address: u64,
    pub(super) size: u64,
    /// It says to be code.
    pub(super) executable: bool,
}

/// Returns whether a file that begins so is an ELF file.
pub(super) fn has_magic(start: &[u8]) -> bool {
    start.starts_with(&elf::ELFMAG)
}

/// Reads the file's structure.
pub(super) fn read(file: &Arc<Vec<u8>>) -> Result<Raw<'_>, String> {
    let data = file.as_slice();
    let length = data.len() as u64;
    if length > MAX_FILE {
        return Err(format!(
            "{length} bytes are more than the {MAX_FILE} a guest's file may have; strip its debug information (`strip \
            -g`)"
        ));
    }
    if !has_magic(data) {
        return Err("not an ELF file; give the linked guest executable, not an archive, image or script".to_owned());
    }
    let &[_, _, _, _, class, order, ..] = data else {
        return Err(truncated(data));
    };
    if class != elf::ELFCLASS32.0 && class != elf::ELFCLASS64.0 {
        return Err(format!(
            "ELF class {class} is unknown (1: 32 bits, 2: 64 bits); the file is damaged"
        ));
    }
    if order != elf::ELFDATA2LSB.0 {
        return Err(format!(
            "byte order {order} is not little-endian (1); build the guest for a little-endian target"
        ));
    }
    if class == elf::ELFCLASS32.0 {
        read_class::<FileHeader32<LittleEndian>>(data)
    } else {
        read_class::<FileHeader64<LittleEndian>>(data)
    }
}

fn read_class<Elf: FileHeader<Endian = LittleEndian>>(data: &[u8]) -> Result<Raw<'_>, String> {
    let header = Elf::parse(data).map_err(|_| truncated(data))?;
    let machine = machine(header)?;
    match header.e_type(ENDIAN) {
        elf::ET_EXEC => {}
        elf::ET_DYN => {
            return Err(
                "position-independent or shared (ET_DYN); link the guest static and at a fixed address: `-C \
                relocation-model=static` (Rust), `-static -no-pie` (gcc)"
                    .to_owned(),
            );
        }
        other => {
            return Err(format!(
                "ELF type {} is no executable (2); link it first, with the linker script of its architecture",
                other.0
            ));
        }
    }
    let mut raw = Raw {
        machine,
        entry: header.e_entry(ENDIAN).into(),
        dynamic: false,
        segments: Vec::new(),
        notes: Vec::new(),
        sections: Vec::new(),
        symbols: SymbolTable::default(),
        resolver: None,
    };
    read_segments(header, data, &mut raw)?;
    let sections = header
        .sections(ENDIAN, data)
        .map_err(|error| sections_unreadable(&error))?;
    if sections.is_empty() {
        return Err(
            "no section headers, by whose names the external function tables are found; do not strip them \
            (`--strip-section-headers`, `sstrip`)"
                .to_owned(),
        );
    }
    raw.sections = read_sections(header, &sections, data)?;
    raw.symbols = read_symbols(&sections, data)?;
    let symbols = Symbols::new(data, &raw.symbols, machine);
    raw.resolver = symbols.check(paravirt_abi::sections::RESOLVER_SYMBOL)?;
    Ok(raw)
}

fn truncated(data: &[u8]) -> String {
    let length = data.len();
    format!("truncated: {length} bytes do not hold an ELF header; copy or link the file again")
}

fn sections_unreadable(reason: &dyn Display) -> String {
    format!("section headers are unreadable ({reason}); the file is truncated or damaged: copy or link it again")
}

fn machine<Elf: FileHeader<Endian = LittleEndian>>(header: &Elf) -> Result<Machine, String> {
    let number = header.e_machine(ENDIAN).0;
    let machine = Machine::from_elf(number).ok_or_else(|| {
        format!("ELF machine {number} has no paravirtualization ABI; build for i386, x86_64, aarch64, arm or riscv64")
    })?;
    let (bits, of_machine) = (if header.is_type_64() { 64 } else { 32 }, machine.pointer_size() * 8);
    if of_machine != bits {
        return Err(format!(
            "{bits}-bit ELF for {machine}, whose ABI has {of_machine} bits; choose the target's standard ABI (no x32, \
            ilp32, rv32)"
        ));
    }
    Ok(machine)
}

fn read_segments<'a, Elf: FileHeader<Endian = LittleEndian>>(
    header: &Elf,
    data: &'a [u8],
    raw: &mut Raw<'a>,
) -> Result<(), String> {
    let headers = header.program_headers(ENDIAN, data).map_err(|reason| {
        format!("program headers are unreadable ({reason}); the file is truncated or damaged: copy or link it again")
    })?;
    // Several headers over the same notes would have them read so many times.
    let mut noted: u64 = 0;
    for header in headers {
        match header.p_type(ENDIAN) {
            elf::PT_LOAD => {
                let flags = header.p_flags(ENDIAN).0;
                raw.segments.push(RawSegment {
                    address: header.p_vaddr(ENDIAN).into(),
                    size: header.p_memsz(ENDIAN).into(),
                    file_offset: header.p_offset(ENDIAN).into(),
                    file_size: header.p_filesz(ENDIAN).into(),
                    access: Access {
                        read: flags & elf::PF_R.0 != 0,
                        write: flags & elf::PF_W.0 != 0,
                        execute: flags & elf::PF_X.0 != 0,
                    },
                });
            }
            elf::PT_INTERP | elf::PT_DYNAMIC => raw.dynamic = true,
            elf::PT_NOTE => {
                noted = noted.saturating_add(header.p_filesz(ENDIAN).into());
                let length = data.len() as u64;
                if noted > length {
                    return Err(format!(
                        "note segments of {noted} bytes in a file of {length} hold the same notes several times; give \
                        notes one segment in the linker script"
                    ));
                }
                let notes = read_notes::<Elf>(header, data).map_err(|reason| {
                    format!(
                        "note segment is unreadable ({reason}); keep notes in sections of their own in the linker \
                        script"
                    )
                })?;
                raw.notes.extend(notes);
            }
            _ => {}
        }
    }
    Ok(())
}

fn read_notes<'a, Elf: FileHeader<Endian = LittleEndian>>(
    header: &Elf::ProgramHeader,
    data: &'a [u8],
) -> object::read::Result<Vec<Note<'a>>> {
    let mut found = Vec::new();
    let Some(mut notes) = header.notes(ENDIAN, data)? else {
        return Ok(found);
    };
    while let Some(note) = notes.next()? {
        let owner = note.name();
        if owner == paravirt_abi::note::OWNER.as_bytes() || owner == note::XEN {
            found.push(Note {
                owner,
                kind: note.n_type(ENDIAN).0,
                descriptor: note.desc(),
            });
        }
    }
    Ok(found)
}

fn read_sections<'a, Elf: FileHeader<Endian = LittleEndian>>(
    header: &Elf,
    table: &SectionTable<'a, Elf>,
    data: &'a [u8],
) -> Result<Vec<Section<'a>>, String> {
    let names = header
        .section_strings_index(ENDIAN, data)
        .and_then(|index| table.section(index)?.data(ENDIAN, data))
        .map_err(|error| sections_unreadable(&error))?;
    let mut sections = Vec::new();
    for section in table.iter() {
        let flags = section.sh_flags(ENDIAN).0;
        if flags & elf::SHF_ALLOC.0 == 0 {
            continue;
        }
        if sections.len() == MAX_SECTIONS {
            return Err(format!(
                "more than {MAX_SECTIONS} sections are part of the image's memory; collect them in the linker script \
                of the guest's architecture"
            ));
        }
        let start = names
            .get(section.sh_name(ENDIAN) as usize..)
            .ok_or_else(|| sections_unreadable(&"Invalid ELF section name offset"))?;
        sections.push(Section {
            name: symbols::name_at(start, MAX_SECTION_NAME),
            address: section.sh_addr(ENDIAN).into(),
            size: section.sh_size(ENDIAN).into(),
            executable: flags & elf::SHF_EXECINSTR.0 != 0,
        });
    }
    Ok(sections)
}

/// Address and content of the section of that name, for tools: it need not be part of the image's memory. `None`: there
/// is none, or its content is compressed or not in the file.
pub(super) fn section<'a>(data: &'a [u8], width: Width, name: &str) -> Option<(u64, &'a [u8])> {
    match width {
        Width::Bits32 => section_of_class::<FileHeader32<LittleEndian>>(data, name),
        Width::Bits64 => section_of_class::<FileHeader64<LittleEndian>>(data, name),
    }
}

fn section_of_class<'a, Elf: FileHeader<Endian = LittleEndian>>(data: &'a [u8], name: &str) -> Option<(u64, &'a [u8])> {
    let header = Elf::parse(data).ok()?;
    let table = header.sections(ENDIAN, data).ok()?;
    let names = table.section(header.section_strings_index(ENDIAN, data).ok()?).ok()?;
    let names = names.data(ENDIAN, data).ok()?;
    // Of a section's own name no more is read than of the one that is looked for: many may have one without end.
    let is_named = |section: &&Elf::SectionHeader| {
        (names.get(section.sh_name(ENDIAN) as usize..))
            .and_then(|rest| rest.strip_prefix(name.as_bytes()))
            .is_some_and(|rest| rest.first() == Some(&0))
    };
    let section = table.iter().find(is_named)?;
    if section.sh_flags(ENDIAN).0 & elf::SHF_COMPRESSED.0 != 0 {
        return None;
    }
    Some((section.sh_addr(ENDIAN).into(), section.data(ENDIAN, data).ok()?))
}

fn read_symbols<Elf: FileHeader<Endian = LittleEndian>>(
    sections: &SectionTable<'_, Elf>,
    data: &[u8],
) -> Result<SymbolTable, String> {
    let unreadable = |reason: object::read::Error| {
        format!("symbol table is unreadable ({reason}); copy or link the file again, or strip it (`strip`)")
    };
    let table = sections.symbols(ENDIAN, data, elf::SHT_SYMTAB).map_err(unreadable)?;
    if table.is_empty() {
        return Ok(SymbolTable::default());
    }
    let place = |index| -> object::read::Result<Range<usize>> {
        let section = sections.section(index)?;
        // The section's data was there, so its place fits.
        let (offset, _) = section.file_range(ENDIAN).unwrap_or_default();
        let offset = offset as usize;
        Ok(offset..offset + section.data(ENDIAN, data)?.len())
    };
    Ok(SymbolTable {
        symbols: place(table.section()).map_err(unreadable)?,
        strings: place(table.string_section()).map_err(unreadable)?,
    })
}
