// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can be wrong with the tables of external functions, and with what is in them.

use alloc::string::String;

use paravirt_abi::sections;
use paravirt_abi::signature::{Signature, SignatureError};

use crate::image::Access;

/// What is wrong with the tables of external functions, or with what is in them. Addresses are the guest's, sizes in
/// bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableProblem {
    /// Two sections of one name.
    #[error("section {section} exists twice; collect its entries in one output section, as the linkcmds fragment does")]
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
    #[error("section {section} has {size:#x} bytes, no multiple of {unit}; something else was linked into it")]
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
    #[error("with section {section} there are {count} external functions, more than {limit}; the file is damaged")]
    TooManyExternals {
        /// The table.
        section: String,
        /// Entries found, of the tables under both prefixes.
        count: u64,
        /// The limit.
        limit: u64,
    },
    /// A table is not aligned for its pointers.
    #[error("section {section} at {address:#x} is not aligned to {alignment}; align it in the linker script")]
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
        "section {section} at {address:#x} is in a segment with access {access}; slots need a writable one: place it \
        in the data segment"
    )]
    SlotsNotWritable {
        /// The table.
        section: String,
        /// Its address.
        address: u64,
        /// Access of the segment.
        access: Access,
    },
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
    #[error("name of external function {index} at {address:#x} is empty; declare it with the macro")]
    NameEmpty {
        /// Number of the entry.
        index: usize,
        /// Address of the name.
        address: u64,
    },
    /// A name longer than the limit.
    #[error("name of external function {index} at {address:#x} has more than {limit} bytes; choose a shorter one")]
    NameTooLong {
        /// Number of the entry.
        index: usize,
        /// Address of the name.
        address: u64,
        /// The limit.
        limit: usize,
    },
    /// A name in another encoding.
    #[error("name of external function {index} at {address:#x} is not UTF-8; declare it with the macro")]
    NameNotUtf8 {
        /// Number of the entry.
        index: usize,
        /// Address of the name.
        address: u64,
    },
    /// A name that C cannot call.
    #[error("external function {index} has the name {name:?}, no identifier of C; use letters, digits and `_`")]
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
        "{symbol} at {address:#x} is not an aligned pointer in a writable segment; link the guest layer's own \
        definition",
        symbol = sections::RESOLVER_SYMBOL
    )]
    ResolverNotWritable {
        /// Address of the variable.
        address: u64,
    },
}
