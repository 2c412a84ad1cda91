// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be wrong with a guest's file.
//!
//! Names from the file are printed with `{:?}`, so that a hostile name cannot drive a terminal.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use paravirt_abi::sections;
use paravirt_abi::signature::{Signature, SignatureError};

use super::{Access, Machine};

/// A file that is no usable guest: which file, what is wrong with it, and the fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct ImageError {
    /// The file as the user named it.
    pub file: String,
    /// What is wrong.
    pub problem: Box<Problem>,
}

/// What is wrong with a guest's file. Addresses are the guest's, sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    // The file and its header.
    /// No ELF magic.
    #[error("not an ELF file; give the linked guest executable, not an archive, image or script")]
    NotElf,
    /// The file ends within the ELF header.
    #[error("truncated: {length} bytes do not hold an ELF header; copy or link the file again")]
    HeaderTruncated {
        /// Length of the file.
        length: u64,
    },
    /// Beyond the size limit.
    #[error(
        "{length} bytes are more than the {limit} a guest's file may have; strip its debug information (`strip -g`)"
    )]
    FileTooBig {
        /// Length of the file.
        length: u64,
        /// The limit.
        limit: u64,
    },
    /// `EI_CLASS` is neither 32 nor 64 bits.
    #[error("ELF class {class} is unknown (1: 32 bits, 2: 64 bits); the file is damaged")]
    Class {
        /// The class found.
        class: u8,
    },
    /// Big-endian, or an unknown byte order.
    #[error(
        "byte order {order} is not little-endian (1); build the guest for a little-endian target"
    )]
    ByteOrder {
        /// `EI_DATA`.
        order: u8,
    },
    /// An architecture without this ABI.
    #[error(
        "ELF machine {number} has no paravirtualization ABI; build for i386, x86_64, aarch64, arm or riscv64"
    )]
    UnknownMachine {
        /// `e_machine`.
        number: u16,
    },
    /// Right machine, wrong pointer width, as in x32 or rv32.
    #[error(
        "{bits}-bit ELF for {machine}, whose ABI has {} bits; choose the target's standard ABI (no x32, ilp32, rv32)",
        machine.pointer_size() * 8
    )]
    MachineClass {
        /// The architecture.
        machine: Machine,
        /// Bits of the file's class.
        bits: u8,
    },
    /// An object file, a core dump.
    #[error(
        "ELF type {kind} is no executable (2); link it first, with the linker script of its architecture"
    )]
    NotExecutable {
        /// `e_type`.
        kind: u16,
    },
    /// A position-independent executable or shared library: its tables hold nothing before relocation.
    #[error(
        "position-independent or shared (ET_DYN); link the guest static and at a fixed address: \
         `-C relocation-model=static` (Rust), `-static -no-pie` (gcc)"
    )]
    PositionIndependent,

    // Segments.
    /// The program header table is out of the file or malformed.
    #[error(
        "program headers are unreadable ({reason}); the file is truncated or damaged: copy or link it again"
    )]
    ProgramHeaders {
        /// The ELF reader's reason.
        reason: String,
    },
    /// More segments than the limit.
    #[error(
        "{count} loadable segments are more than {limit}; use the linker script of the guest's architecture"
    )]
    TooManySegments {
        /// Segments found.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// Nothing to load.
    #[error("no loadable segment; link with the linker script of the guest's architecture")]
    NoSegments,
    /// A segment's bytes lie behind the end of the file.
    #[error(
        "truncated: segment at {address:#x} needs bytes {file_offset:#x}+{file_size:#x} of a file of {length:#x}; \
         copy or link it again"
    )]
    SegmentTruncated {
        /// The segment's address.
        address: u64,
        /// Its offset in the file.
        file_offset: u64,
        /// Its size in the file.
        file_size: u64,
        /// Length of the file.
        length: u64,
    },
    /// A segment is larger in the file than in memory.
    #[error(
        "segment at {address:#x} has {file_size:#x} bytes in the file but {size:#x} in memory; the file is damaged"
    )]
    SegmentLargerInFile {
        /// The segment's address.
        address: u64,
        /// Its size in the file.
        file_size: u64,
        /// Its size in memory.
        size: u64,
    },
    /// A segment reaches past the end of the address space.
    #[error(
        "segment at {address:#x} of {size:#x} bytes wraps around the address space; check the linker script's addresses"
    )]
    SegmentWraps {
        /// The segment's address.
        address: u64,
        /// Its size in memory.
        size: u64,
    },
    /// Two segments share addresses.
    #[error(
        "segment at {second:#x} overlaps the one at {first:#x} to {first_end:#x}; check the linker script's addresses"
    )]
    SegmentsOverlap {
        /// Address of the lower segment.
        first: u64,
        /// First address behind it.
        first_end: u64,
        /// Address of the upper segment.
        second: u64,
    },
    /// The entry point is not code.
    #[error(
        "entry point {entry:#x} is in no executable segment; name the start code with ENTRY(..) in the linker script \
         and keep it from garbage collection"
    )]
    EntryNotExecutable {
        /// The entry point.
        entry: u64,
    },

    // Sections and symbols.
    /// No section headers, so the tables cannot be found.
    #[error(
        "no section headers, by whose names the external function tables are found; \
         do not strip them (`--strip-section-headers`, `sstrip`)"
    )]
    NoSections,
    /// The section header table is out of the file or malformed.
    #[error(
        "section headers are unreadable ({reason}); the file is truncated or damaged: copy or link it again"
    )]
    SectionHeaders {
        /// The ELF reader's reason.
        reason: String,
    },
    /// The symbol table is out of the file or malformed.
    #[error(
        "symbol table is unreadable ({reason}); copy or link the file again, or strip it (`strip`)"
    )]
    SymbolTable {
        /// The ELF reader's reason.
        reason: String,
    },
    /// A symbol's name is not in the string table.
    #[error(
        "a symbol's name at {name:#x} is outside the string table; copy or link the file again, or strip it (`strip`)"
    )]
    SymbolName {
        /// Offset of the name in the string table.
        name: u32,
    },
    /// Two sections of one name.
    #[error(
        "section {section} exists twice; collect its entries in one output section, as the linkcmds fragment does"
    )]
    DuplicateSection {
        /// Its name.
        section: String,
    },
    /// The entries were not collected into tables.
    #[error(
        "section {section:?} is an entry of its own, so the image has no table; \
         include the linkcmds fragment for external functions in the linker script"
    )]
    NotCollected {
        /// Its name.
        section: String,
    },

    // The tables.
    /// One of the three tables that go together is missing.
    #[error(
        "section {missing} is missing beside {present}; \
         include the linkcmds fragment in the linker script, before any `*(.data.*)`"
    )]
    TableMissing {
        /// A table that exists.
        present: String,
        /// The one that does not.
        missing: String,
    },
    /// A table's size is no multiple of its entries' size.
    #[error(
        "section {section} has {size:#x} bytes, no multiple of {unit}; something else was linked into it"
    )]
    OddTable {
        /// The table.
        section: String,
        /// Its size.
        size: u64,
        /// Size of an entry.
        unit: u64,
    },
    /// Two tables have different numbers of entries.
    #[error(
        "section {section} has {found} entries, {slots} has {expected}; \
         declare external functions with one version of the macro and link them with the linkcmds fragment"
    )]
    Unpaired {
        /// The table.
        section: String,
        /// Its entries.
        found: u64,
        /// The slots.
        slots: String,
        /// Their number.
        expected: u64,
    },
    /// More entries than the limit.
    #[error("section {section} has {count} entries, more than {limit}; the file is damaged")]
    TooManyExternals {
        /// The table.
        section: String,
        /// Entries found.
        count: u64,
        /// The limit.
        limit: u64,
    },
    /// A table is not aligned for its pointers.
    #[error(
        "section {section} at {address:#x} is not aligned to {alignment}; align it in the linker script"
    )]
    TableMisaligned {
        /// The table.
        section: String,
        /// Its address.
        address: u64,
        /// The alignment required.
        alignment: u64,
    },
    /// A table is not part of what is loaded.
    #[error(
        "section {section} at {address:#x}+{size:#x} is not inside the bytes of one loadable segment; \
         place it in the data segment, before .bss"
    )]
    TableNotLoaded {
        /// The table.
        section: String,
        /// Its address.
        address: u64,
        /// Its size.
        size: u64,
    },
    /// The slots cannot be filled.
    #[error(
        "section {section} at {address:#x} is in a segment with access {access}; slots need a writable one: place it in the data segment"
    )]
    SlotsNotWritable {
        /// The table.
        section: String,
        /// Its address.
        address: u64,
        /// Access of the segment.
        access: Access,
    },

    // The entries.
    /// A symbol table entry points elsewhere than to the names.
    #[error(
        "entry {index} of section {section} points to {address:#x}, outside the names at {start:#x} to {end:#x}; \
         link the image static, so that the tables are filled, with the linkcmds fragment"
    )]
    NameOutside {
        /// The table.
        section: String,
        /// Number of the entry.
        index: usize,
        /// Where it points.
        address: u64,
        /// First address of the names.
        start: u64,
        /// First address behind the names.
        end: u64,
    },
    /// A name that runs out of its section.
    #[error(
        "name of external function {index} at {address:#x} has no NUL before the section ends; declare it with the macro"
    )]
    NameWithoutNul {
        /// Number of the entry.
        index: usize,
        /// Address of the name.
        address: u64,
    },
    /// An empty name.
    #[error(
        "name of external function {index} at {address:#x} is empty; declare it with the macro"
    )]
    NameEmpty {
        /// Number of the entry.
        index: usize,
        /// Address of the name.
        address: u64,
    },
    /// A name longer than the limit.
    #[error(
        "name of external function {index} at {address:#x} has more than {limit} bytes; choose a shorter one"
    )]
    NameTooLong {
        /// Number of the entry.
        index: usize,
        /// Address of the name.
        address: u64,
        /// The limit.
        limit: usize,
    },
    /// A name in another encoding.
    #[error(
        "name of external function {index} at {address:#x} is not UTF-8; declare it with the macro"
    )]
    NameNotUtf8 {
        /// Number of the entry.
        index: usize,
        /// Address of the name.
        address: u64,
    },
    /// A name that C cannot call.
    #[error(
        "external function {index} has the name {name:?}, no identifier of C; use letters, digits and `_`"
    )]
    NameNotIdentifier {
        /// Number of the entry.
        index: usize,
        /// The name.
        name: String,
    },
    /// A prototype word that is none.
    #[error(
        "prototype word {word:#018x} of {name} is malformed: {reason}; rebuild it with this version's macro or header"
    )]
    Signature {
        /// The function.
        name: String,
        /// The word.
        word: u64,
        /// What is wrong with it.
        reason: SignatureError,
    },
    /// One function, two prototypes.
    #[error("{name} is declared both `{first}` and `{second}`; make its declarations agree")]
    TwoPrototypes {
        /// The function.
        name: String,
        /// The prototype of its first entry.
        first: Signature,
        /// The prototype of another entry.
        second: Signature,
    },
    /// The resolver variable cannot be set.
    #[error(
        "{symbol} at {address:#x} is not an aligned pointer in a writable segment; link the guest layer's own definition",
        symbol = sections::RESOLVER_SYMBOL
    )]
    ResolverNotWritable {
        /// Address of the variable.
        address: u64,
    },

    // The identity note.
    /// A note segment is out of the file or malformed.
    #[error(
        "note segment is unreadable ({reason}); keep notes in sections of their own in the linker script"
    )]
    Notes {
        /// The ELF reader's reason.
        reason: String,
    },
    /// More than one identity note.
    #[error("{count} identity notes; link one version of the guest layer only")]
    DuplicateNote {
        /// Number found.
        count: usize,
    },
    /// The note's descriptor has another size than version 1 says.
    #[error(
        "identity note has {size} bytes, not 24; rebuild the guest with this version's guest layer"
    )]
    NoteSize {
        /// Size of the descriptor.
        size: usize,
    },
    /// Built against another ABI version.
    #[error(
        "built for ABI version {version}, this host has version {}; rebuild the guest or use the host of its version",
        paravirt_abi::VERSION
    )]
    AbiVersion {
        /// The guest's version.
        version: u32,
    },
    /// Note and ELF header disagree.
    #[error(
        "identity note is for ELF machine {note}, the file for {machine}; link objects of one architecture only"
    )]
    NoteMachine {
        /// Machine number in the note.
        note: u32,
        /// Architecture in the header.
        machine: Machine,
    },
    /// Unknown property flags.
    #[error("identity note has unknown flags {flags:#x}; use a host as new as the guest layer")]
    NoteFlags {
        /// The flags.
        flags: u32,
    },
    /// Reserved field in use.
    #[error(
        "identity note has {reserved:#x} in its reserved field; use a host as new as the guest layer"
    )]
    NoteReserved {
        /// The field.
        reserved: u32,
    },
    /// The vCPU page is not page-aligned.
    #[error(
        "vCPU page at {address:#x} is not page-aligned; keep the alignment of its section in the linker script"
    )]
    VcpuPageMisaligned {
        /// Its address.
        address: u64,
    },
    /// The vCPU page is not in writable memory.
    #[error(
        "vCPU page at {address:#x} is not wholly in a writable segment; place its section in the data segment"
    )]
    VcpuPageNotWritable {
        /// Its address.
        address: u64,
    },

    // The notes of backends and entry points.
    /// A backend's note holds no name.
    #[error(
        "note of a backend in {section} holds {found:?}, not a name padded with NULs; link the guest layer's own objects",
        section = paravirt_abi::note::SECTION
    )]
    BackendNote {
        /// The beginning of what it holds.
        found: String,
    },
    /// Two backends of one name.
    #[error("two backends are called {name}; name each once in `image!`")]
    DuplicateBackend {
        /// The name.
        name: String,
    },
    /// The descriptor is no address.
    #[error(
        "note of owner Xen, type {kind}, has {size} bytes, not the 4 or 8 of an address; link the guest layer's own objects"
    )]
    EntryNoteSize {
        /// Type of the note.
        kind: u32,
        /// Size of the descriptor.
        size: usize,
    },
    /// Two entry points of one kind.
    #[error("two notes of owner Xen, type {kind}; link one version of the guest layer only")]
    DuplicateEntryNote {
        /// Type of the notes.
        kind: u32,
    },
    /// The entry point is no code.
    #[error(
        "note of owner Xen, type {kind}, has the entry point {address:#x}, which is not in an executable segment; \
         keep .text in the linker script"
    )]
    EntryNoteNotExecutable {
        /// Type of the note.
        kind: u32,
        /// The address.
        address: u64,
    },

    // What only a loader refuses.
    /// The host runs other architectures.
    #[error("built for {machine}; this host runs {supported}: build the guest for one of them")]
    MachineNotSupported {
        /// The guest's architecture.
        machine: Machine,
        /// What the host runs.
        supported: String,
    },
    /// It asks for a dynamic linker.
    #[error("needs a dynamic linker (PT_INTERP or PT_DYNAMIC); link the guest static: `-static`")]
    Dynamic,
    /// A segment where no guest memory can be.
    #[error(
        "segment at {address:#x} lies below {lowest:#x}, where this host maps nothing{}; \
         link the guest at 0x100000, as the linker scripts do",
        if *address == 0 { ", to catch null pointers" } else { "" }
    )]
    SegmentTooLow {
        /// The segment's address.
        address: u64,
        /// The lowest address allowed.
        lowest: u64,
    },
    /// A segment where the host itself lives.
    #[error(
        "segment at {address:#x} to {end:#x} reaches past {highest:#x}, the end of guest memory; link the guest lower"
    )]
    SegmentTooHigh {
        /// The segment's address.
        address: u64,
        /// First address behind it.
        end: u64,
        /// First address a guest may not use.
        highest: u64,
    },
    /// Too much memory asked for.
    #[error(
        "segments need {size} bytes of memory, more than the {limit} granted; grant more or shrink static buffers"
    )]
    TooMuchMemory {
        /// Sum of the segments' sizes.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Writable code.
    #[error(
        "segment at {address:#x} is writable and executable; \
         give code and data segments of their own (no `-N`, `--omagic`), as the linker scripts do"
    )]
    WritableCode {
        /// The segment's address.
        address: u64,
    },
    /// Two segments of different access share a page.
    #[error(
        "segments at {first:#x} ({first_access}) and {second:#x} ({second_access}) share a page but not their access; \
         align segments to {page} bytes in the linker script"
    )]
    SharedPage {
        /// Address of the lower segment.
        first: u64,
        /// Its access.
        first_access: Access,
        /// Address of the upper segment.
        second: u64,
        /// Its access.
        second_access: Access,
        /// Page size.
        page: u64,
    },
    /// No identity note where the host needs one.
    #[error(
        "no identity note, so the vCPU page is unknown; link the guest layer and keep {} in the linker script",
        paravirt_abi::note::SECTION
    )]
    NoIdentity,
    /// No backend for this host in the image.
    #[error(
        "no backend for this host in the image, which has {}; add `{wanted}` to the backends of its `image!`",
        if carried.is_empty() { "none".to_owned() } else { carried.join(", ") }
    )]
    NoBackend {
        /// The backend for this host.
        wanted: &'static str,
        /// Those in the image.
        carried: Vec<String>,
    },
    /// This host cannot enter the image.
    #[error(
        "no {point} entry point: the note of owner Xen, type {kind}, is missing; add `{backend}` to the backends of its \
         `image!` and keep .note.Xen in the linker script"
    )]
    NoEntryPoint {
        /// What it is called.
        point: &'static str,
        /// Type of its note.
        kind: u32,
        /// The backend that brings it.
        backend: &'static str,
    },
    /// The same, and the image is as those of 2013 were.
    #[error(
        "no identity note and no prototypes, as in 2013, so it can get no interrupts; link the guest layer, or run it with \
         what it can have without: option `--compat 2013`, of libparavirt_host.a the flag PVH_COMPAT_2013"
    )]
    Of2013,
    /// Code that keeps data below the stack pointer, on a host that pushes frames there.
    #[error(
        "its code uses the red zone, where this host pushes interrupt frames; build it with `-C no-redzone` (C: `-mno-red-zone`)"
    )]
    RedZone,
}
