// SPDX-License-Identifier: MIT OR Apache-2.0
//! A unit's line table.

use gimli::{ColumnType, DebugLineOffset, Dwarf, IncompleteLineProgram, LineProgramHeader, Reader as _, Section as _};

use super::units::Unit;
use super::{Bytes, Problem, text};
use crate::debug::budget::Budget;
use crate::fault::Source;

/// A header of more bytes is not read: it has the names of the files, of which a unit has some hundred.
const MAX_HEADER: usize = 1 << 20;

/// A place in a file, by the file's number in the table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Row {
    pub(super) file: u64,
    pub(super) line: u64,
    pub(super) column: u64,
}

/// A unit's line table.
pub(super) struct Lines<'a, 'b> {
    dwarf: &'b Dwarf<Bytes<'a>>,
    unit: &'b Unit<'a>,
    program: IncompleteLineProgram<Bytes<'a>>,
}

impl<'a, 'b> Lines<'a, 'b> {
    /// That of a unit, if it has one that can be read.
    pub(super) fn new(dwarf: &'b Dwarf<Bytes<'a>>, unit: &'b Unit<'a>, budget: &Budget) -> Option<Self> {
        let offset = unit.lines?;
        let length = header_length(dwarf, offset).ok()?;
        if length > MAX_HEADER {
            return None;
        }
        budget.spend(length).ok()?;
        let size = unit.unit.header.address_size();
        let program = dwarf.debug_line.program(offset, size, None, None).ok()?;
        Some(Self { dwarf, unit, program })
    }

    /// The rows for these places; `None`: there is none.
    pub(super) fn find(&mut self, places: &[u64], budget: &Budget) -> Vec<Option<Row>> {
        let mut found = vec![None; places.len()];
        let mut rows = self.program.clone().rows();
        // A row is for the addresses up to the next one's.
        let mut before: Option<(u64, Row)> = None;
        while let Ok(Some((_, row))) = rows.next_row() {
            if budget.spend(1).is_err() {
                break;
            }
            if let Some((start, before)) = before {
                let code = start..row.address();
                for (place, found) in places.iter().zip(&mut found) {
                    if code.contains(place) {
                        *found = Some(before);
                    }
                }
            }
            before = (!row.end_sequence()).then(|| {
                let column = match row.column() {
                    ColumnType::LeftEdge => 0,
                    ColumnType::Column(column) => column.get(),
                };
                let row_of = Row {
                    file: row.file_index(),
                    line: row.line().map_or(0, Into::into),
                    column,
                };
                (row.address(), row_of)
            });
        }
        found
    }

    /// That place, in words.
    pub(super) fn source(&self, row: Row, inlined: Option<String>, budget: &Budget) -> Source {
        Source {
            inlined,
            file: self.file(row.file, budget).unwrap_or_else(|| "?".to_owned()),
            line: row.line,
            column: row.column,
        }
    }

    /// The file as the compiler was given it: with its folder, unless that is the one in which the compiler ran.
    fn file(&self, number: u64, budget: &Budget) -> Option<String> {
        let header: &LineProgramHeader<_> = self.program.header();
        let file = header.file(number)?;
        let unit = &self.unit.unit;
        let name = text(self.dwarf, unit, file.path_name(), budget)?;
        if name.starts_with('/') || file.directory_index() == 0 {
            return Some(name);
        }
        let folder = file.directory(header)?;
        let folder = text(self.dwarf, unit, folder, budget)?;
        Some(format!("{folder}/{name}"))
    }
}

/// Bytes of the header at `offset`, behind the field that says so (DWARF 5, 6.2.4).
fn header_length(dwarf: &Dwarf<Bytes<'_>>, offset: DebugLineOffset) -> Result<usize, Problem> {
    let mut reader = *dwarf.debug_line.reader();
    reader.skip(offset.0)?;
    let (_, format) = reader.read_initial_length()?;
    let version = reader.read_u16()?;
    if version >= 5 {
        reader.skip(2)?;
    }
    Ok(reader.read_length(format)?)
}
