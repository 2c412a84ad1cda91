// SPDX-License-Identifier: MIT OR Apache-2.0
//! Units, as far as it takes to know what code they are about.

use std::ops::Range;
use std::sync::Arc;

use gimli::{
    AttributeValue, DebugAddrBase, DebugLineOffset, DebugLocListsBase, DebugRngListsBase, DebugStrOffsetsBase, Dwarf,
    DwarfFileType, EntriesRaw, Reader as _, Section as _, UnitHeader, constants,
};

use super::{Attribute, Bytes, Problem};
use crate::debug::budget::Budget;

/// A table of abbreviations of more bytes is not read; compilers write some thousand.
const MAX_ABBREVIATIONS: usize = 1 << 18;

/// A unit.
pub(super) struct Unit<'a> {
    pub(super) unit: gimli::Unit<Bytes<'a>>,
    /// What code it is about.
    pub(super) ranges: Ranges<'a>,
    /// Its line table.
    pub(super) lines: Option<DebugLineOffset>,
}

/// The table of abbreviations that was read last: units often have one in common.
#[derive(Default)]
pub(super) struct Abbreviations {
    last: Option<(usize, Arc<gimli::Abbreviations>)>,
}

impl Abbreviations {
    fn of<'a>(
        &mut self,
        dwarf: &Dwarf<Bytes<'a>>,
        header: &UnitHeader<Bytes<'a>>,
        budget: &Budget,
    ) -> Result<Arc<gimli::Abbreviations>, Problem> {
        let offset = header.debug_abbrev_offset().0;
        if let Some((_, known)) = self.last.as_ref().filter(|(last, _)| *last == offset) {
            return Ok(Arc::clone(known));
        }
        let mut reader = *dwarf.debug_abbrev.reader();
        reader.skip(offset)?;
        let length = table_length(reader, budget)?;
        if length > MAX_ABBREVIATIONS {
            return Err(Problem::Malformed);
        }
        let table = Arc::new(header.abbreviations(&dwarf.debug_abbrev)?);
        self.last = Some((offset, Arc::clone(&table)));
        Ok(table)
    }
}

/// Bytes of the table that begins there (DWARF 5, 7.5.3), so far as they are looked at.
fn table_length(mut reader: Bytes<'_>, budget: &Budget) -> Result<usize, Problem> {
    let before = reader.len();
    while reader.read_uleb128()? != 0 {
        reader.read_uleb128()?;
        reader.read_u8()?;
        loop {
            budget.spend(2)?;
            let (name, form) = (reader.read_uleb128()?, reader.read_uleb128()?);
            if form == u64::from(constants::DW_FORM_implicit_const.0) {
                reader.read_sleb128()?;
            }
            if (name, form) == (0, 0) {
                break;
            }
        }
        if before - reader.len() > MAX_ABBREVIATIONS {
            break;
        }
    }
    Ok(before - reader.len())
}

impl<'a> Unit<'a> {
    /// Reads its first entry.
    pub(super) fn read(
        dwarf: &Dwarf<Bytes<'a>>,
        header: UnitHeader<Bytes<'a>>,
        abbreviations: &mut Abbreviations,
        budget: &Budget,
    ) -> Result<Self, Problem> {
        let encoding = header.encoding();
        let kind = DwarfFileType::Main;
        let mut unit = gimli::Unit {
            abbreviations: abbreviations.of(dwarf, &header, budget)?,
            header,
            name: None,
            comp_dir: None,
            low_pc: 0,
            str_offsets_base: DebugStrOffsetsBase::default_for_encoding_and_file(encoding, kind),
            addr_base: DebugAddrBase(0),
            loclists_base: DebugLocListsBase::default_for_encoding_and_file(encoding, kind),
            rnglists_base: DebugRngListsBase::default_for_encoding_and_file(encoding, kind),
            line_program: None,
            dwo_id: None,
        };
        let mut ranges = Ranges::default();
        let mut lines = None;
        let table = Arc::clone(&unit.abbreviations);
        let mut entries = unit.header.entries_raw(&table, None)?;
        let abbreviation = entries.read_abbreviation()?.ok_or(Problem::Malformed)?;
        for &specification in abbreviation.attributes() {
            budget.spend(1)?;
            let attribute = entries.read_attribute(specification)?;
            ranges.take(attribute.name(), attribute.value());
            match (attribute.name(), attribute.value()) {
                (constants::DW_AT_stmt_list, AttributeValue::DebugLineRef(offset)) => lines = Some(offset),
                (_, AttributeValue::DebugStrOffsetsBase(base)) => unit.str_offsets_base = base,
                (_, AttributeValue::DebugAddrBase(base)) => unit.addr_base = base,
                (_, AttributeValue::DebugRngListsBase(base)) => unit.rnglists_base = base,
                _ => {}
            }
        }
        if let Some(low) = ranges.low {
            unit.low_pc = dwarf.attr_address(&unit, low)?.unwrap_or_default();
        }
        Ok(Self { unit, ranges, lines })
    }

    /// Its entries.
    pub(super) fn entries(&self) -> Result<EntriesRaw<'_, Bytes<'a>>, Problem> {
        Ok(self.unit.entries_raw(None)?)
    }
}

/// What an entry says of the code it is about.
#[derive(Clone, Copy, Default)]
pub(super) struct Ranges<'a> {
    low: Option<Attribute<'a>>,
    high: Option<Attribute<'a>>,
    list: Option<Attribute<'a>>,
}

impl<'a> Ranges<'a> {
    /// Takes an attribute of the entry.
    pub(super) fn take(&mut self, name: constants::DwAt, value: Attribute<'a>) {
        match name {
            constants::DW_AT_low_pc => self.low = Some(value),
            constants::DW_AT_high_pc => self.high = Some(value),
            constants::DW_AT_ranges => self.list = Some(value),
            _ => {}
        }
    }

    /// Calls `take` for each range.
    pub(super) fn each(
        &self,
        dwarf: &Dwarf<Bytes<'a>>,
        unit: &gimli::Unit<Bytes<'a>>,
        budget: &Budget,
        mut take: impl FnMut(Range<u64>),
    ) -> Result<(), Problem> {
        if let Some(list) = self.list {
            let Some(mut ranges) = dwarf.attr_ranges(unit, list)? else {
                return Err(Problem::Malformed);
            };
            while let Some(range) = ranges.next()? {
                budget.spend(1)?;
                take(range.begin..range.end);
            }
            return Ok(());
        }
        let (Some(low), Some(high)) = (self.low, self.high) else {
            return Ok(());
        };
        let low = dwarf.attr_address(unit, low)?.ok_or(Problem::Malformed)?;
        let high = match dwarf.attr_address(unit, high)? {
            Some(high) => high,
            None => low.wrapping_add(high.udata_value().ok_or(Problem::Malformed)?),
        };
        take(low..high);
        Ok(())
    }
}
