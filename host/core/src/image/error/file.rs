// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be wrong with a file as an ELF file.

use alloc::string::String;

use crate::image::Machine;

/// What is wrong with a file as an ELF file. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileProblem {
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
    #[error("byte order {order} is not little-endian (1); build the guest for a little-endian target")]
    ByteOrder {
        /// `EI_DATA`.
        order: u8,
    },
    /// An architecture without this ABI.
    #[error("ELF machine {number} has no paravirtualization ABI; build for i386, x86_64, aarch64, arm or riscv64")]
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
    #[error("ELF type {kind} is no executable (2); link it first, with the linker script of its architecture")]
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
    /// The program header table is out of the file or malformed.
    #[error("program headers are unreadable ({reason}); the file is truncated or damaged: copy or link it again")]
    ProgramHeaders {
        /// The ELF reader's reason.
        reason: String,
    },
    /// No section headers, so the tables cannot be found.
    #[error(
        "no section headers, by whose names the external function tables are found; \
         do not strip them (`--strip-section-headers`, `sstrip`)"
    )]
    NoSections,
    /// The section header table is out of the file or malformed.
    #[error("section headers are unreadable ({reason}); the file is truncated or damaged: copy or link it again")]
    SectionHeaders {
        /// The ELF reader's reason.
        reason: String,
    },
    /// More sections than the limit.
    #[error(
        "more than {limit} sections are part of the image's memory; collect them in the linker script of the guest's \
        architecture"
    )]
    TooManySections {
        /// The limit.
        limit: usize,
    },
    /// The symbol table is out of the file or malformed.
    #[error("symbol table is unreadable ({reason}); copy or link the file again, or strip it (`strip`)")]
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
    /// The note segments are larger than the file.
    #[error(
        "note segments of {size} bytes in a file of {length} hold the same notes several times; give notes one segment \
        in the linker script"
    )]
    NotesOverlap {
        /// Sum of their sizes.
        size: u64,
        /// Length of the file.
        length: u64,
    },
    /// A note segment is out of the file or malformed.
    #[error("note segment is unreadable ({reason}); keep notes in sections of their own in the linker script")]
    Notes {
        /// The ELF reader's reason.
        reason: String,
    },
}
