// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests made to order: a sound one by default, whose parts each test bends as it needs.

use std::mem::offset_of;

use object::elf;
use object::write::elf::{FileHeader, ProgramHeader, SectionHeader, Sym, Writer};
use paravirt_abi::interface;
use paravirt_abi::note;
use paravirt_abi::sections;
use paravirt_abi::vcpu;
use pvhost::image::Machine;

/// Where the parts of the default guest lie.
pub const CODE: u64 = 0x10_0000;
pub const DATA: u64 = 0x10_1000;
pub const VCPU_PAGE: u64 = DATA;
pub const TABLES: u64 = DATA + 0x1000;
/// Each table gets that many bytes of address space.
const TABLE_SPACE: u64 = 0x400;

pub struct Load {
    pub address: u64,
    pub size: u64,
    /// Size in the file as the header tells it; `None`: the length of the data.
    pub file_size: Option<u64>,
    /// Offset in the file as the header tells it; `None`: where the data is.
    pub file_offset: Option<u64>,
    pub data: Vec<u8>,
    pub flags: elf::ProgramFlags,
}

#[derive(Clone)]
pub struct Section {
    pub name: String,
    pub address: u64,
    pub size: u64,
    /// Whether it says to be part of the image's memory.
    pub allocated: bool,
    /// Whether it says to be code.
    pub executable: bool,
}

pub struct Symbol {
    pub name: String,
    pub address: u64,
    pub size: u64,
    pub kind: elf::SymbolType,
}

pub struct Guest {
    pub is_64: bool,
    pub e_machine: elf::Machine,
    pub e_type: elf::FileType,
    pub entry: u64,
    pub loads: Vec<Load>,
    /// Further program headers, by type only.
    pub other_headers: Vec<elf::ProgramType>,
    /// Contents of the note segment; empty: no such segment.
    pub notes: Vec<u8>,
    pub sections: Vec<Section>,
    pub symbols: Vec<Symbol>,
    pub machine: Machine,
}

/// An entry of the tables: name and prototype word.
pub type Entry<'a> = (&'a str, Option<u64>);

/// The descriptor of an identity note.
pub fn identity(machine: Machine) -> Vec<u8> {
    let words = [paravirt_abi::VERSION, machine.elf().into(), 1, 0];
    let mut descriptor: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
    descriptor.extend(VCPU_PAGE.to_le_bytes());
    descriptor
}

/// A note with that owner, type and descriptor.
pub fn note(owner: &str, kind: u32, descriptor: &[u8]) -> Vec<u8> {
    let lengths = [owner.len() as u32 + 1, descriptor.len() as u32, kind];
    let mut note: Vec<u8> = lengths.into_iter().flat_map(u32::to_le_bytes).collect();
    note.extend(owner.as_bytes());
    note.resize((note.len() + 4) & !3, 0);
    note.extend(descriptor);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

impl Guest {
    /// A guest that asks for these three functions of the interface.
    pub fn new(machine: Machine) -> Self {
        let words: Vec<_> = ["pv_console_write", "pv_port_in", "pv_shutdown"]
            .into_iter()
            .map(|name| {
                let function = interface::find(name).expect("version 1 has it");
                (name, Some(function.signature(machine.width()).word()))
            })
            .collect();
        Self::with(machine, sections::PREFIX, &words)
    }

    /// A guest as the L4RTEMS sources made it: no note, no prototypes.
    pub fn l4rtems() -> Self {
        let entries = [
            ("l4rtems_outch", None),
            ("l4rtems_timer_start", None),
            ("l4rtems_outch", None),
        ];
        let mut guest = Self::with(Machine::I386, sections::L4RTEMS_PREFIX, &entries);
        guest.notes.clear();
        guest
    }

    /// A guest whose tables have these entries. The sig table exists if the entries have prototypes.
    pub fn with(machine: Machine, prefix: &str, entries: &[Entry<'_>]) -> Self {
        let code = vec![0x90; 0x40];
        let mut guest = Self {
            is_64: machine.pointer_size() == 8,
            e_machine: elf::Machine(machine.elf()),
            e_type: elf::ET_EXEC,
            entry: CODE + 0x10,
            loads: vec![
                Load::new(CODE, code, elf::PF_R | elf::PF_X),
                Load::new(DATA, vec![0; 0x3000], elf::PF_R | elf::PF_W),
            ],
            other_headers: Vec::new(),
            notes: note(note::OWNER, note::TYPE, &identity(machine)),
            sections: Vec::new(),
            symbols: vec![
                Symbol::new("_start", CODE + 0x10, 0x10, elf::STT_FUNC),
                Symbol::new("__l4_external_resolver", DATA + 0x2ff8, 8, elf::STT_OBJECT),
            ],
            machine,
        };
        // What a test sets beyond the data is .bss.
        guest.loads[1].size = 0x4000;
        guest.poke(VCPU_PAGE, &vcpu::VERSION.to_le_bytes());
        let upcall_entry = VCPU_PAGE + offset_of!(vcpu::VcpuPage, upcall_entry) as u64;
        guest.poke(upcall_entry, &CODE.to_le_bytes());
        guest.fill_tables(prefix, entries);
        guest
    }

    fn fill_tables(&mut self, prefix: &str, entries: &[Entry<'_>]) {
        let pointer = self.machine.pointer_size();
        let mut strings = Vec::new();
        let (mut symbols, mut slots, mut words) = (Vec::new(), Vec::new(), Vec::new());
        for &(name, word) in entries {
            let address = TABLES + strings.len() as u64;
            symbols.extend(&address.to_le_bytes()[..pointer as usize]);
            slots.extend(&CODE.to_le_bytes()[..pointer as usize]);
            words.extend(word.into_iter().flat_map(u64::to_le_bytes));
            strings.extend(name.bytes().chain([0]));
        }
        let tables = [("str", strings), ("symtab", symbols), ("jmptbl", slots), ("sig", words)];
        for (index, (part, bytes)) in tables.into_iter().enumerate() {
            let address = TABLES + index as u64 * TABLE_SPACE;
            self.poke(address, &bytes);
            if !bytes.is_empty() {
                self.sections.push(Section {
                    name: format!("{prefix}{part}"),
                    address,
                    size: bytes.len() as u64,
                    allocated: true,
                    executable: false,
                });
            }
        }
    }

    /// Marks memory as code.
    pub fn section_of_code(&mut self, name: &str, address: u64, size: u64) {
        self.sections.push(Section {
            name: name.to_owned(),
            address,
            size,
            allocated: true,
            executable: true,
        });
    }

    /// Overwrites memory that comes from the file.
    pub fn poke(&mut self, address: u64, bytes: &[u8]) {
        let load = self
            .loads
            .iter_mut()
            .find(|load| load.address <= address && address < load.address + load.size)
            .expect("a segment");
        let start = (address - load.address) as usize;
        load.data[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// The section whose name ends like that.
    pub fn section(&mut self, suffix: &str) -> &mut Section {
        self.sections
            .iter_mut()
            .find(|section| section.name.ends_with(suffix))
            .expect("a section")
    }

    /// Replaces the identity note's descriptor.
    pub fn identify(&mut self, descriptor: &[u8]) {
        self.notes = note(note::OWNER, note::TYPE, descriptor);
    }

    /// The file.
    pub fn build(&self) -> Vec<u8> {
        let mut file = Vec::new();
        let mut writer = Writer::new(object::Endianness::Little, self.is_64, &mut file);

        writer.reserve_file_header();
        let notes = usize::from(!self.notes.is_empty());
        let headers = self.loads.len() + self.other_headers.len() + notes;
        writer.reserve_program_headers(headers as u32);
        let offsets: Vec<_> = self
            .loads
            .iter()
            .map(|load| writer.reserve(load.data.len() as u64, 1))
            .collect();
        let note_offset = writer.reserve(self.notes.len() as u64, 4);
        let section_names: Vec<_> = self
            .sections
            .iter()
            .map(|section| {
                writer.reserve_section_index();
                writer.add_section_name(section.name.as_bytes())
            })
            .collect();
        let symbol_names: Vec<_> = self
            .symbols
            .iter()
            .map(|symbol| {
                writer.reserve_symbol_index(None);
                writer.add_string(symbol.name.as_bytes())
            })
            .collect();
        if !self.symbols.is_empty() {
            writer.reserve_symtab_section_index();
            writer.reserve_symtab();
            writer.reserve_strtab_section_index();
            writer.reserve_strtab().expect("small");
        }
        writer.reserve_shstrtab_section_index();
        writer.reserve_shstrtab().expect("small");
        writer.reserve_section_headers();

        let header = FileHeader {
            os_abi: elf::ELFOSABI_NONE,
            abi_version: 0,
            e_type: self.e_type,
            e_machine: self.e_machine,
            e_entry: self.entry,
            e_flags: elf::FileFlags(0),
        };
        writer.write_file_header(&header).expect("small");
        writer.write_align_program_headers();
        for (load, &offset) in self.loads.iter().zip(&offsets) {
            writer.write_program_header(&ProgramHeader {
                p_type: elf::PT_LOAD,
                p_flags: load.flags,
                p_offset: load.file_offset.unwrap_or(offset),
                p_vaddr: load.address,
                p_paddr: load.address,
                p_filesz: load.file_size.unwrap_or(load.data.len() as u64),
                p_memsz: load.size,
                p_align: 1,
            });
        }
        let note_header = (notes > 0).then_some(&elf::PT_NOTE);
        for &p_type in self.other_headers.iter().chain(note_header) {
            writer.write_program_header(&ProgramHeader {
                p_type,
                p_flags: elf::PF_R,
                p_offset: note_offset,
                p_vaddr: 0,
                p_paddr: 0,
                p_filesz: self.notes.len() as u64,
                p_memsz: self.notes.len() as u64,
                p_align: 4,
            });
        }
        for load in &self.loads {
            writer.write(&load.data);
        }
        writer.write_align(4);
        writer.write(&self.notes);
        if !self.symbols.is_empty() {
            writer.write_null_symbol();
            for (symbol, &name) in self.symbols.iter().zip(&symbol_names) {
                writer.write_symbol(&Sym {
                    section: None,
                    st_name: writer.string_offset(Some(name)),
                    st_info: elf::SymbolInfo::new(elf::STB_GLOBAL, symbol.kind),
                    st_other: elf::SymbolOther(0),
                    st_shndx: elf::SHN_ABS,
                    st_value: symbol.address,
                    st_size: symbol.size,
                });
            }
            writer.write_strtab();
        }
        writer.write_shstrtab();
        writer.write_null_section_header();
        for (section, &name) in self.sections.iter().zip(&section_names) {
            writer.write_section_header(&SectionHeader {
                sh_name: writer.section_name_offset(Some(name)),
                sh_type: elf::SHT_PROGBITS,
                sh_flags: match (section.allocated, section.executable) {
                    (true, true) => elf::SHF_ALLOC | elf::SHF_EXECINSTR,
                    (true, false) => elf::SHF_ALLOC | elf::SHF_WRITE,
                    (false, _) => elf::SHF_WRITE,
                },
                sh_addr: section.address,
                sh_offset: 0,
                sh_size: section.size,
                sh_link: 0,
                sh_info: 0,
                sh_addralign: 1,
                sh_entsize: 0,
            });
        }
        if !self.symbols.is_empty() {
            writer.write_symtab_section_header(1);
            writer.write_strtab_section_header();
        }
        writer.write_shstrtab_section_header();
        file
    }
}

impl Load {
    pub fn new(address: u64, data: Vec<u8>, flags: elf::ProgramFlags) -> Self {
        Self {
            address,
            size: data.len() as u64,
            file_size: None,
            file_offset: None,
            data,
            flags,
        }
    }
}

impl Symbol {
    pub fn new(name: &str, address: u64, size: u64, kind: elf::SymbolType) -> Self {
        Self {
            name: name.to_owned(),
            address,
            size,
            kind,
        }
    }
}
