// SPDX-License-Identifier: MIT OR Apache-2.0
//! Functions that were inlined at a place, and their names.

use gimli::{AttributeValue, DebugInfoOffset, Dwarf, UnitOffset, constants};

use super::lines::Row;
use super::units::{Abbreviations, Ranges, Unit};
use super::{Attribute, Bytes, Problem, text};
use crate::debug::budget::Budget;
use crate::image::printable_name;

/// More levels of inlined functions are not kept.
const MAX_INLINED: usize = 64;
/// An entry that refers to another for its name, and that to another: more are not followed.
const MAX_REFERENCES: usize = 8;

/// A function that was inlined.
pub(super) struct Inlined<'a> {
    depth: isize,
    /// The entry that has its name.
    pub(super) origin: Option<Attribute<'a>>,
    /// Where it was called.
    pub(super) call: Row,
}

/// For each place the functions that were inlined there, the outermost first.
pub(super) fn inlined<'a>(
    dwarf: &Dwarf<Bytes<'a>>,
    unit: &Unit<'a>,
    places: &[u64],
    budget: &Budget,
) -> Vec<Vec<Inlined<'a>>> {
    let mut chains: Vec<Vec<Inlined<'a>>> = places.iter().map(|_| Vec::new()).collect();
    // What was found before the unit turns out to be damaged stands.
    let _ = walk(dwarf, unit, places, budget, &mut chains);
    chains
}

fn walk<'a>(
    dwarf: &Dwarf<Bytes<'a>>,
    unit: &Unit<'a>,
    places: &[u64],
    budget: &Budget,
    chains: &mut [Vec<Inlined<'a>>],
) -> Result<(), Problem> {
    let mut entries = unit.entries()?;
    // Inside of which function that has one of the places.
    let mut function = None;
    while !entries.is_empty() {
        budget.spend(1)?;
        let depth = entries.next_depth();
        let Some(abbreviation) = entries.read_abbreviation()? else {
            continue;
        };
        if function.is_some_and(|outer| depth <= outer) {
            function = None;
        }
        let specifications = abbreviation.attributes();
        budget.spend(specifications.len())?;
        let is_inlined = match abbreviation.tag() {
            constants::DW_TAG_subprogram => false,
            constants::DW_TAG_inlined_subroutine if function.is_some() => true,
            _ => {
                entries.skip_attributes(specifications)?;
                continue;
            }
        };
        let mut ranges = Ranges::default();
        let mut origin = None;
        let mut call = Row::default();
        for &specification in specifications {
            let attribute = entries.read_attribute(specification)?;
            ranges.take(attribute.name(), attribute.value());
            let number = || attribute.udata_value().unwrap_or_default();
            match attribute.name() {
                constants::DW_AT_abstract_origin => origin = Some(attribute.value()),
                constants::DW_AT_call_file => {
                    call.file = match attribute.value() {
                        AttributeValue::FileIndex(file) => file,
                        _ => number(),
                    }
                }
                constants::DW_AT_call_line => call.line = number(),
                constants::DW_AT_call_column => call.column = number(),
                _ => {}
            }
        }
        let outcome = ranges.each(dwarf, &unit.unit, budget, |range| {
            for (place, chain) in places.iter().zip(&mut *chains) {
                if !range.contains(place) {
                    continue;
                }
                if !is_inlined {
                    function = Some(depth);
                    chain.clear();
                    continue;
                }
                chain.retain(|outer| outer.depth < depth);
                if chain.len() < MAX_INLINED {
                    chain.push(Inlined { depth, origin, call });
                }
            }
        });
        if let Err(Problem::Exhausted) = outcome {
            return Err(Problem::Exhausted);
        }
    }
    Ok(())
}

/// The name of the function that this refers to, demangled and fit to be printed.
pub(super) fn name<'a>(
    dwarf: &Dwarf<Bytes<'a>>,
    unit: &Unit<'a>,
    origin: Option<Attribute<'a>>,
    budget: &Budget,
) -> Option<String> {
    let mut other: Option<Unit<'a>> = None;
    let mut reference = origin?;
    let mut plain = None;
    for _ in 0..MAX_REFERENCES {
        let offset = match reference {
            AttributeValue::UnitRef(offset) => offset,
            AttributeValue::DebugInfoRef(offset) => {
                let (of_offset, inside) = unit_of(dwarf, offset, budget)?;
                other = Some(of_offset);
                inside
            }
            _ => return None,
        };
        let current = other.as_ref().unwrap_or(unit);
        let mut entries = current.unit.entries_raw(Some(offset)).ok()?;
        let abbreviation = entries.read_abbreviation().ok()??;
        let mut next = None;
        for &specification in abbreviation.attributes() {
            budget.spend(1).ok()?;
            let attribute = entries.read_attribute(specification).ok()?;
            match attribute.name() {
                constants::DW_AT_linkage_name | constants::DW_AT_MIPS_linkage_name => {
                    let name = text(dwarf, &current.unit, attribute.value(), budget)?;
                    return Some(printable_name(&name));
                }
                constants::DW_AT_name if plain.is_none() => {
                    plain = text(dwarf, &current.unit, attribute.value(), budget);
                }
                constants::DW_AT_abstract_origin | constants::DW_AT_specification => next = Some(attribute.value()),
                _ => {}
            }
        }
        match next {
            Some(next) => reference = next,
            None => break,
        }
    }
    plain.map(|name| printable_name(&name))
}

/// The unit of that entry, and where it is in it.
fn unit_of<'a>(dwarf: &Dwarf<Bytes<'a>>, offset: DebugInfoOffset, budget: &Budget) -> Option<(Unit<'a>, UnitOffset)> {
    let mut units = dwarf.units();
    while let Ok(Some(header)) = units.next() {
        budget.spend(1).ok()?;
        if let Some(inside) = offset.to_unit_offset(&header) {
            let unit = Unit::read(dwarf, header, &mut Abbreviations::default(), budget).ok()?;
            return Some((unit, inside));
        }
    }
    None
}
