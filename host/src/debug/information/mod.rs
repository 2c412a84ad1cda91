// SPDX-License-Identifier: MIT OR Apache-2.0
//! Places in the sources, by the debug information of an image (DWARF 2 to 5).
//!
//! The file is untrusted: each question reads its sections for as many steps as they have bytes, twice, and then has no
//! answer. Nothing recurses, and of what a file may make long (names, abbreviations, headers of line tables) there are
//! limits that no compiler reaches. Sections that are compressed are not read.

mod functions;
mod lines;
mod units;

use gimli::{AttributeValue, Dwarf, LittleEndian, Reader as _, Section as _, SectionId};

use super::budget::{Budget, Exhausted};
use crate::fault::Source;
use crate::image::Image;
use units::Unit;

type Bytes<'a> = gimli::EndianSlice<'a, LittleEndian>;
type Attribute<'a> = AttributeValue<Bytes<'a>>;

/// More bytes of a name, or of a file's, are not read.
const MAX_NAME: usize = 4096;

/// An image's debug information.
#[derive(Debug)]
pub struct Information<'a> {
    dwarf: Dwarf<Bytes<'a>>,
    size: usize,
}

/// Why there is no answer, or no more of it.
#[derive(Debug)]
enum Problem {
    Exhausted,
    Malformed,
}

impl From<Exhausted> for Problem {
    fn from(_: Exhausted) -> Self {
        Self::Exhausted
    }
}

impl From<gimli::Error> for Problem {
    fn from(_: gimli::Error) -> Self {
        Self::Malformed
    }
}

impl<'a> Information<'a> {
    /// That of an image; `None`: it has none.
    #[must_use]
    pub fn new(image: &'a Image) -> Option<Self> {
        let mut size = 0;
        let dwarf = Dwarf::load(|section: SectionId| {
            let content = if is_read(section) {
                image.section_content(section.name())
            } else {
                None
            };
            let (_, bytes) = content.unwrap_or_default();
            size += bytes.len();
            Ok::<_, gimli::Error>(Bytes::new(bytes, LittleEndian))
        })
        .ok()?;
        (!dwarf.debug_info.reader().is_empty()).then_some(Self { dwarf, size })
    }

    /// Where in the sources those places in the code are: for each the innermost first, the last in the function that
    /// the place belongs to, those before it in functions that were inlined there. Empty: unknown.
    #[must_use]
    pub fn sources(&self, places: &[u64]) -> Vec<Vec<Source>> {
        let mut found = vec![Vec::new(); places.len()];
        let budget = Budget::for_bytes(self.size);
        // What has been found when the file turns out to be damaged, or too long, stands.
        let _ = self.search(places, &mut found, &budget);
        found
    }

    fn search(&self, places: &[u64], found: &mut [Vec<Source>], budget: &Budget) -> Result<(), Problem> {
        let mut units = self.dwarf.units();
        let mut abbreviations = units::Abbreviations::default();
        while let Some(header) = units.next()? {
            budget.spend(1)?;
            let unit = match Unit::read(&self.dwarf, header, &mut abbreviations, budget) {
                Ok(unit) => unit,
                Err(Problem::Malformed) => continue,
                Err(Problem::Exhausted) => return Err(Problem::Exhausted),
            };
            let mut inside = Vec::new();
            let outcome = unit.ranges.each(&self.dwarf, &unit.unit, budget, |range| {
                let of_range = (0..places.len()).filter(|&index| range.contains(&places[index]));
                inside.extend(of_range.filter(|&index| found[index].is_empty()));
            });
            if let Err(Problem::Exhausted) = outcome {
                return Err(Problem::Exhausted);
            }
            inside.sort_unstable();
            inside.dedup();
            if inside.is_empty() {
                continue;
            }
            let wanted: Vec<_> = inside.iter().map(|&index| places[index]).collect();
            // A damaged part of a unit leaves what the others say.
            let sources = self.sources_in(&unit, &wanted, budget);
            for (index, sources) in inside.into_iter().zip(sources) {
                found[index] = sources;
            }
        }
        Ok(())
    }

    /// For places in that unit.
    fn sources_in(&self, unit: &Unit<'a>, places: &[u64], budget: &Budget) -> Vec<Vec<Source>> {
        let Some(mut lines) = lines::Lines::new(&self.dwarf, unit, budget) else {
            return vec![Vec::new(); places.len()];
        };
        let chains = functions::inlined(&self.dwarf, unit, places, budget);
        let rows = lines.find(places, budget);
        let mut sources = Vec::new();
        for (row, chain) in rows.into_iter().zip(chains) {
            let Some(mut row) = row else {
                sources.push(Vec::new());
                continue;
            };
            let mut of_place = Vec::new();
            // The innermost is where the line table says, each other where the one inside it was called.
            for inlined in chain.into_iter().rev() {
                let name = functions::name(&self.dwarf, unit, inlined.origin, budget);
                of_place.push(lines.source(row, Some(name.unwrap_or_else(|| "?".to_owned())), budget));
                row = inlined.call;
            }
            of_place.push(lines.source(row, None, budget));
            sources.push(of_place);
        }
        sources
    }
}

/// Returns whether the section is one of those that are read.
const fn is_read(section: SectionId) -> bool {
    matches!(
        section,
        SectionId::DebugAbbrev
            | SectionId::DebugAddr
            | SectionId::DebugInfo
            | SectionId::DebugLine
            | SectionId::DebugLineStr
            | SectionId::DebugRanges
            | SectionId::DebugRngLists
            | SectionId::DebugStr
            | SectionId::DebugStrOffsets
    )
}

/// A text, of whatever form; `None`: it is none, or too long.
fn text<'a>(
    dwarf: &Dwarf<Bytes<'a>>,
    unit: &gimli::Unit<Bytes<'a>>,
    attribute: Attribute<'a>,
    budget: &Budget,
) -> Option<String> {
    let at = |mut reader: Bytes<'a>, offset: usize| reader.skip(offset).ok().map(|()| reader);
    let bytes = match attribute {
        AttributeValue::String(bytes) => bytes,
        AttributeValue::DebugStrRef(offset) => at(*dwarf.debug_str.reader(), offset.0)?,
        AttributeValue::DebugLineStrRef(offset) => at(*dwarf.debug_line_str.reader(), offset.0)?,
        AttributeValue::DebugStrOffsetsIndex(index) => {
            let offset = dwarf.string_offset(unit, index).ok()?;
            at(*dwarf.debug_str.reader(), offset.0)?
        }
        _ => return None,
    };
    let bytes = bytes.slice();
    let bytes = &bytes[..bytes.len().min(MAX_NAME)];
    let bytes = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    budget.spend(bytes.len()).ok()?;
    Some(String::from_utf8_lossy(bytes).into_owned())
}
