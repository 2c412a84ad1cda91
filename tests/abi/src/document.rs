// SPDX-License-Identifier: MIT OR Apache-2.0
//! The document of the ABI says what the golden files say: its tables and quotations are compared with them, in both
//! directions.
//!
//! | in the document | is compared |
//! |---|---|
//! | a table with the columns `C`, `Rust`, `Value` | each name's value |
//! | a table with the columns `Structure`, `Size`, `i386`, `x86_64` | size and alignments |
//! | a table with the columns `Offset`, `Size`, `Type`, `Field` | the fields of the structures of the table before |
//! | a table with the columns `Prototype`, `32 bits`, `64 bits` | the prototype words |
//! | a table with the columns `Architecture`, `Thunks change` | the registers that the thunks use |
//! | a block of code with the language `golden` | each line, with those of the golden files |

use std::collections::BTreeSet;

use paravirt_section_tests::arch::Arch;

use crate::golden;
use crate::listing::Listing;
use crate::machine::Machine;
use crate::thunks;

/// A golden list.
struct Golden {
    language: &'static str,
    machine: Machine,
    listing: Listing,
}

/// A line of a golden list: index of the list, the line.
type Position = (usize, String);

/// What a document says and what is wrong with it.
pub struct Document {
    golden: Vec<Golden>,
    /// Lines that the document has.
    covered: BTreeSet<Position>,
    problems: Vec<String>,
    /// Names of the structures whose fields come next.
    structures: Vec<String>,
    prototypes: Vec<String>,
    /// Architectures whose thunks the document describes.
    thunks: BTreeSet<String>,
}

/// A table: the names of its columns, and a row.
struct Row<'a> {
    columns: &'a [String],
    cells: Vec<String>,
}

impl Row<'_> {
    /// The cell in that column, without quotes; `None` if it is empty, or there is no such column.
    fn cell(&self, column: &str) -> Option<&str> {
        let index = self.columns.iter().position(|name| name == column)?;
        let cell = self.cells.get(index)?.trim_matches('`');
        (!cell.is_empty()).then_some(cell)
    }
}

impl Document {
    /// Reads the document and compares it with the golden files.
    ///
    /// # Panics
    /// If there are no golden files of this version.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let lists = golden::lists().map(|(language, machine)| Golden {
            language,
            machine,
            listing: golden::read(language, machine)
                .unwrap_or_else(|| panic!("no golden file {}", golden::name(language, machine))),
        });
        let mut document = Self {
            golden: lists.collect(),
            covered: BTreeSet::new(),
            problems: Vec::new(),
            structures: Vec::new(),
            prototypes: Vec::new(),
            thunks: BTreeSet::new(),
        };
        document.compare(text);
        document
    }

    /// What is wrong in the document, and which lines of the golden files it does not have.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.problems.clone();
        for (index, golden) in self.golden.iter().enumerate() {
            for line in golden.listing.lines() {
                if !line.starts_with(golden::WITHOUT) && !self.covered.contains(&(index, line.to_owned())) {
                    let name = golden::name(golden.language, golden.machine);
                    problems.push(format!("the document does not say: {line} ({name})"));
                }
            }
        }
        for (name, _) in ARCHITECTURES {
            if !self.thunks.contains(name) {
                problems.push(format!("the document does not say what thunks for {name} change"));
            }
        }
        problems
    }

    /// The C prototypes of the interface functions, with semicolons.
    #[must_use]
    pub fn prototypes(&self) -> String {
        self.prototypes.join("\n")
    }

    fn compare(&mut self, text: &str) {
        let mut columns: Option<Vec<String>> = None;
        let mut quotes = false;
        for line in text.lines() {
            if let Some(language) = line.strip_prefix("```") {
                quotes = language == "golden";
                columns = None;
            } else if quotes {
                self.quotation(line);
            } else if let Some(row) = line.strip_prefix('|') {
                let cells = row.trim_end().trim_end_matches('|').split('|');
                let cells: Vec<String> = cells.map(|cell| cell.trim().to_owned()).collect();
                match &columns {
                    None => {
                        if cells[0] == "Structure" {
                            self.structures.clear();
                        }
                        columns = Some(cells);
                    }
                    Some(_) if cells.iter().all(|cell| cell.starts_with("---")) => {}
                    Some(columns) => self.row(&Row { columns, cells }),
                }
            } else {
                columns = None;
            }
        }
    }

    fn row(&mut self, row: &Row<'_>) {
        let has = |names: &[&str]| names.iter().all(|name| row.columns.iter().any(|column| column == name));
        if has(&["C", "Rust", "Value"]) {
            self.constant(row);
        } else if has(&["Structure", "Size"]) {
            self.structure(row);
        } else if has(&["Offset", "Size", "Type", "Field"]) {
            self.field(row);
        } else if has(&["Prototype", "32 bits", "64 bits"]) {
            self.function(row);
        } else if has(&["Architecture", "Thunks change"]) {
            self.thunks(row);
        }
    }

    /// Notes that the document has this line, or that there is no such line.
    fn claim(&mut self, line: &str, is_for: impl Fn(&Golden) -> bool) {
        let mut found = false;
        for (index, golden) in self.golden.iter().enumerate() {
            if is_for(golden) && golden.listing.contains(line) {
                self.covered.insert((index, line.to_owned()));
                found = true;
            }
        }
        if !found {
            self.problems
                .push(format!("the document says what no golden file says: {line}"));
        }
    }

    fn quotation(&mut self, line: &str) {
        self.claim(line, |_| true);
    }

    fn constant(&mut self, row: &Row<'_>) {
        let Some(value) = row.cell("Value") else {
            self.problems.push(format!("no value: {:?}", row.cells));
            return;
        };
        let value = if value.starts_with('"') {
            value.to_owned()
        } else {
            match number(value) {
                Some(number) => number.to_string(),
                None => {
                    self.problems.push(format!("no number: {value}"));
                    return;
                }
            }
        };
        for (column, language) in [("C", "c"), ("Rust", "rust")] {
            if let Some(name) = row.cell(column) {
                self.claim(&format!("constant {name} {value}"), |golden| {
                    golden.language == language
                });
            }
        }
    }

    fn structure(&mut self, row: &Row<'_>) {
        let name = row.cell("Structure").unwrap_or_default();
        let name = name.strip_prefix("struct ").unwrap_or(name).to_owned();
        let size = row.cell("Size").unwrap_or_default();
        for machine in [Machine::I386, Machine::X86_64, Machine::Aarch64] {
            let Some(alignment) = row.cell(machine.name()) else {
                continue;
            };
            let line = format!("struct {name} size {size} align {alignment}");
            self.claim(&line, |golden| golden.machine == machine);
        }
        self.structures.push(name);
    }

    fn field(&mut self, row: &Row<'_>) {
        let cell = |column| row.cell(column).unwrap_or_default();
        let (field, kind) = (cell("Field"), cell("Type"));
        let place = format!("offset {} size {}", cell("Offset"), cell("Size"));
        if self.structures.is_empty() {
            self.problems.push(format!("a field of nothing: {field}"));
        }
        for structure in self.structures.clone() {
            let start = format!("field {structure}.{field} {place} type ");
            let mut lines = BTreeSet::new();
            for golden in &self.golden {
                let line = golden.listing.lines().find(|line| line.starts_with(&start));
                lines.extend(line.map(str::to_owned));
            }
            // Types are given in C.
            let is_c = !structure.contains("::");
            let wrong = lines
                .iter()
                .any(|line| is_c && line.strip_prefix(&start).is_some_and(|found| found != kind));
            if lines.is_empty() || wrong {
                self.problems
                    .push(format!("the document says what no golden file says: {start}{kind}"));
            }
            for line in lines {
                self.claim(&line, |_| true);
            }
        }
    }

    fn thunks(&mut self, row: &Row<'_>) {
        let name = row.cell("Architecture").unwrap_or_default();
        let said = row.cell("Thunks change").unwrap_or_default();
        let Some((_, arch)) = ARCHITECTURES.iter().find(|(known, _)| *known == name) else {
            self.problems.push(format!("no thunks for {name}"));
            return;
        };
        self.thunks.insert(name.to_owned());
        let said: BTreeSet<&str> = said
            .split([',', ' ', '`'])
            .filter(|word| !word.is_empty() && *word != "nothing")
            .collect();
        let used = thunks::registers(*arch);
        if said != used {
            self.problems.push(format!(
                "the document says that thunks for {name} change {said:?}, and they change {used:?}"
            ));
        }
    }

    fn function(&mut self, row: &Row<'_>) {
        let prototype = row.cell("Prototype").unwrap_or_default();
        let name = prototype
            .split('(')
            .next()
            .and_then(|declarator| declarator.rsplit([' ', '*']).next())
            .unwrap_or_default();
        if name.starts_with("pv_") {
            self.prototypes.push(format!("{prototype};"));
        }
        for (machine, column) in [(Machine::I386, "32 bits"), (Machine::X86_64, "64 bits")] {
            let word = row.cell(column).unwrap_or_default();
            let start = format!("function {name} {word} ");
            let lines: BTreeSet<String> = self
                .golden
                .iter()
                .filter(|golden| golden.machine == machine)
                .flat_map(|golden| golden.listing.lines())
                .filter(|line| line.starts_with(&start))
                .map(str::to_owned)
                .collect();
            if lines.is_empty() {
                self.problems.push(format!(
                    "the document says what no golden file says: {start}({})",
                    machine.name()
                ));
            }
            for line in lines {
                self.claim(&line, |golden| golden.machine == machine);
            }
        }
    }
}

/// What the document calls the architectures.
const ARCHITECTURES: [(&str, Arch); 5] = [
    ("i386", Arch::I386),
    ("x86-64", Arch::X86_64),
    ("AArch64", Arch::Aarch64),
    ("ARMv7", Arch::Armv7),
    ("RISC-V, 64 bits", Arch::Riscv64),
];

/// A number in decimal, in hexadecimal, or as a power of two (`1 << 31`).
fn number(text: &str) -> Option<i64> {
    if let Some(shift) = text.strip_prefix("1 << ") {
        return shift.parse().ok().and_then(|shift| 1_i64.checked_shl(shift));
    }
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_three_forms() {
        assert_eq!(number("-9"), Some(-9));
        assert_eq!(number("0x31525650"), Some(0x3152_5650));
        assert_eq!(number("1 << 31"), Some(0x8000_0000));
        assert_eq!(number("eleven"), None);
    }
}
