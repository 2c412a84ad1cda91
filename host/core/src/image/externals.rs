// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tables of external functions.
//!
//! The tables are found by their sections' names and read from the image's memory as it is loaded, so that a section
//! header cannot show one table while the guest uses another.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use paravirt_abi::sections;
use paravirt_abi::signature::Signature;

use super::Machine;
use super::elf::Section;
use super::segments::{self, Segment};
use crate::prototype::is_identifier;

/// Limit of a name's length in bytes.
pub(super) const MAX_NAME: usize = 255;
/// Limit of the number of external functions, of both prefixes together.
pub(super) const MAX_EXTERNALS: u64 = 1 << 16;

/// An external function that the image declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// Its name, an identifier of C.
    pub name: String,
    /// Address of the slot to fill, in a writable segment; aligned, except in L4RTEMS images.
    pub slot: u64,
    /// Address of its symbol table entry, which the resolver gets.
    pub symbol: u64,
    /// Its prototype; `None` in L4RTEMS images.
    pub signature: Option<Signature>,
}

/// What the sections' names begin with, under both prefixes.
const PREFIXES: [&str; 2] = [sections::PREFIX, sections::L4RTEMS_PREFIX];

/// Part of the sections' names behind the prefix.
const STRINGS: &str = "str";
const SYMBOLS: &str = "symtab";
const SLOTS: &str = "jmptbl";
const SIGNATURES: &str = "sig";

/// A table in memory.
struct Table<'a> {
    section: String,
    address: u64,
    bytes: &'a [u8],
}

/// Reads the tables under both prefixes, in the order of the slots.
pub(super) fn parse(all: &[Section<'_>], machine: Machine, segments: &[Segment]) -> Result<Vec<External>, String> {
    let mut externals = Vec::new();
    for prefix in PREFIXES {
        parse_spelling(prefix, all, machine, segments, &mut externals)?;
    }
    refuse_two_prototypes(&externals)?;
    Ok(externals)
}

fn parse_spelling(
    prefix: &str,
    all: &[Section<'_>],
    machine: Machine,
    segments: &[Segment],
    externals: &mut Vec<External>,
) -> Result<(), String> {
    let pointer = machine.pointer_size();
    let table = |part, unit, alignment| find_table(prefix, part, unit, all, alignment, segments);
    let signatures = table(SIGNATURES, 8, pointer)?;
    // The L4RTEMS macro aligned nothing, and the processor that it was for does not mind.
    let alignment = match (machine, &signatures) {
        (Machine::I386, None) => 1,
        _ => pointer,
    };
    let (strings, symbols, slots) = (
        table(STRINGS, 1, 1)?,
        table(SYMBOLS, pointer, alignment)?,
        table(SLOTS, pointer, alignment)?,
    );
    let tables = [&strings, &symbols, &slots, &signatures];
    let Some(present) = tables.into_iter().flatten().next() else {
        return Ok(());
    };
    let missing = |part: &str| {
        let present = &present.section;
        format!(
            "section {prefix}{part} is missing beside {present}; include the linkcmds fragment in the linker script, \
            before any `*(.data.*)`"
        )
    };
    let strings = strings.as_ref().ok_or_else(|| missing(STRINGS))?;
    let symbols = symbols.as_ref().ok_or_else(|| missing(SYMBOLS))?;
    let slots = slots.as_ref().ok_or_else(|| missing(SLOTS))?;

    let count = slots.bytes.len() as u64 / pointer;
    let sum = externals.len() as u64 + count;
    if sum > MAX_EXTERNALS {
        return Err(format!(
            "with section {} there are {sum} external functions, more than {MAX_EXTERNALS}; the file is damaged",
            slots.section
        ));
    }
    paired(symbols, pointer, slots, count)?;
    if let Some(signatures) = &signatures {
        paired(signatures, 8, slots, count)?;
    }
    let access = segments::find(segments, slots.address, slots.bytes.len() as u64)
        .map(|segment| segment.access)
        .unwrap_or_default();
    if !access.write {
        let Table { section, address, .. } = slots;
        return Err(format!(
            "section {section} at {address:#x} is in a segment with access {access}; slots need a writable one: place \
            it in the data segment"
        ));
    }

    for (index, address) in machine.pointers(symbols.bytes).enumerate() {
        let name = name(strings, symbols, index, address)?;
        let signature = signatures
            .as_ref()
            .and_then(|table| table.bytes.as_chunks().0.get(index))
            .map(|&word| u64::from_le_bytes(word))
            .map(|word| {
                Signature::from_word(word).map_err(|reason| {
                    format!(
                        "prototype word {word:#018x} of {name} is malformed: {reason}; rebuild it with this version's \
                        macro or header"
                    )
                })
            })
            .transpose()?;
        let offset = index as u64 * pointer;
        externals.push(External {
            name,
            slot: slots.address + offset,
            symbol: symbols.address + offset,
            signature,
        });
    }
    Ok(())
}

/// The table of that name, whose size is a multiple of `unit`. An empty one counts as absent.
fn find_table<'a>(
    prefix: &str,
    part: &str,
    unit: u64,
    all: &[Section<'a>],
    alignment: u64,
    segments: &'a [Segment],
) -> Result<Option<Table<'a>>, String> {
    let rest = |s: &Section<'a>| {
        let part_on = s.name.strip_prefix(prefix.as_bytes())?;
        part_on.strip_prefix(part.as_bytes())
    };
    if let Some(single) = (all.iter()).find(|s| rest(s).is_some_and(|rest| rest.starts_with(b"."))) {
        return Err(format!(
            "section {:?} is an entry of its own, so the image has no table; include the linkcmds fragment for \
            external functions in the linker script",
            String::from_utf8_lossy(single.name)
        ));
    }
    let is_named = |s: &&Section<'a>| rest(s).is_some_and(<[u8]>::is_empty) && s.size > 0;
    let mut named = all.iter().filter(is_named);
    let Some(&Section { address, size, .. }) = named.next() else {
        return Ok(None);
    };
    let section = format!("{prefix}{part}");
    if named.next().is_some() {
        return Err(format!(
            "section {section} exists twice; collect its entries in one output section, as the linkcmds fragment does"
        ));
    }
    if size % unit != 0 {
        return Err(format!(
            "section {section} has {size:#x} bytes, no multiple of {unit}; something else was linked into it"
        ));
    }
    if address % alignment != 0 {
        return Err(format!(
            "section {section} at {address:#x} is not aligned to {alignment}; align it in the linker script"
        ));
    }
    match segments::initial_bytes(segments, address, size) {
        Some(bytes) => Ok(Some(Table {
            section,
            address,
            bytes,
        })),
        None => Err(format!(
            "section {section} at {address:#x}+{size:#x} is not inside the bytes of one loadable segment; place it in \
            the data segment, before .bss"
        )),
    }
}

fn paired(table: &Table<'_>, unit: u64, slots: &Table<'_>, expected: u64) -> Result<(), String> {
    let found = table.bytes.len() as u64 / unit;
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "section {} has {found} entries, {} has {expected}; declare external functions with one version of the macro \
        and link them with the linkcmds fragment",
        table.section, slots.section
    ))
}

/// The name to which entry `index` of the symbol table points.
fn name(strings: &Table<'_>, symbols: &Table<'_>, index: usize, address: u64) -> Result<String, String> {
    let rest = address
        .checked_sub(strings.address)
        .and_then(|offset| strings.bytes.get(usize::try_from(offset).ok()?..))
        .filter(|rest| !rest.is_empty())
        .ok_or_else(|| {
            let (start, end) = (strings.address, strings.address + strings.bytes.len() as u64);
            format!(
                "entry {index} of section {} points to {address:#x}, outside the names at {start:#x} to {end:#x}; link \
                the image static, so that the tables are filled, with the linkcmds fragment",
                symbols.section
            )
        })?;
    let problem = |what: &str| format!("name of external function {index} at {address:#x} {what}");
    // Looking no further bounds the work that many entries on one endless name could ask for.
    let start = &rest[..rest.len().min(MAX_NAME + 1)];
    let length = match start.iter().position(|&byte| byte == 0) {
        Some(0) => return Err(problem("is empty; declare it with the macro")),
        Some(length) => length,
        None if start.len() <= MAX_NAME => {
            return Err(problem("has no NUL before the section ends; declare it with the macro"));
        }
        None => {
            return Err(problem(&format!(
                "has more than {MAX_NAME} bytes; choose a shorter one"
            )));
        }
    };
    let name = core::str::from_utf8(&start[..length]);
    let name = name.map_err(|_| problem("is not UTF-8; declare it with the macro"))?;
    if !is_identifier(name) {
        return Err(format!(
            "external function {index} has the name {name:?}, no identifier of C; use letters, digits and `_`"
        ));
    }
    Ok(name.to_owned())
}

fn refuse_two_prototypes(externals: &[External]) -> Result<(), String> {
    let mut seen: BTreeMap<&str, Signature> = BTreeMap::new();
    for external in externals {
        let Some(second) = external.signature else {
            continue;
        };
        let first = *seen.entry(&external.name).or_insert(second);
        if first != second {
            return Err(format!(
                "{} is declared both `{first}` and `{second}`; make its declarations agree",
                external.name
            ));
        }
    }
    Ok(())
}
