// SPDX-License-Identifier: MIT OR Apache-2.0
//! The symbol table, for reports and for the few variables a host looks up by name.
//!
//! It is read anew for each question, straight from the file: most runs of a guest ask only one.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::fmt::{self, Write as _};
use core::ops::Range;

use cpp_demangle::{DemangleOptions, ParseOptions};
use object::LittleEndian;
use object::elf::{self, Sym32, Sym64};
use object::pod;
use object::read::elf::Sym;
use paravirt_abi::signature::Width;

use super::Machine;
use crate::text::Escaper;

/// What a symbol stands for, as far as a host cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A function with its size.
    Function,
    /// Whatever the assembler or the linker script left untyped; a label if it lies in code.
    Untyped,
    /// A variable.
    Object,
    /// No name, but a mark of what follows: code or data.
    Mark { is_code: bool },
}

/// A defined symbol.
#[derive(Clone, Copy, Debug)]
struct Symbol<'a> {
    address: u64,
    size: u64,
    kind: Kind,
    /// The string table from where its name begins.
    name: &'a [u8],
}

/// Where in the file the symbols are, and their names.
#[derive(Clone, Debug, Default)]
pub(super) struct SymbolTable {
    pub(super) symbols: Range<usize>,
    pub(super) strings: Range<usize>,
}

/// More of a name is not looked at, so that many symbols on one endless name cost no more than others. C++ makes names
/// of that length.
const MAX_NAME: usize = 4096;

/// More of a demangled name is not printed. Parts of a mangled name stand for earlier parts, and those for others, so
/// that some hundred bytes of it can make a million.
const MAX_PRINTED: usize = 1024;

/// A longer name of C++ is printed as it is: its parts stand for each other, too.
const MAX_CPP_NAME: usize = 512;

/// With more back references than this, a name is not demangled: in a chain of them, each costs time and makes nothing.
/// They are counted by their letter, which may stand for something else, too; names of real functions have some dozens.
const MAX_BACK_REFERENCES: usize = 64;

/// The image's defined symbols. None if the image is stripped.
#[derive(Clone, Copy, Debug)]
pub struct Symbols<'a> {
    machine: Machine,
    table: Table<'a>,
    strings: &'a [u8],
}

/// The entries, as they are in the file.
#[derive(Clone, Copy, Debug)]
enum Table<'a> {
    Bits32(&'a [Sym32<LittleEndian>]),
    Bits64(&'a [Sym64<LittleEndian>]),
}

/// An address as `function+offset`.
///
/// The name comes demangled from [`fmt::Display`], [escaped](crate::text), since it is the guest's text; an endless one
/// ends in `...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    /// The function's name in the file, invalid UTF-8 replaced.
    pub name: Cow<'a, str>,
    /// Bytes from the function's start.
    pub offset: u64,
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:#x}", printable_name(&self.name), self.offset)
    }
}

/// A symbol's name demangled, [escaped](crate::text); an endless one ends in `...`.
#[must_use]
pub fn printable_name(name: &str) -> String {
    let mut printable = Escaper(Limited(String::new()));
    // It ends with an error where the name was cut, which the name says itself.
    let _ = if has_many_back_references(name) {
        printable.write_str(name)
    } else if let Some(name) = of_cpp(name) {
        printable.write_str(&name)
    } else {
        write!(printable, "{:#}", rustc_demangle::demangle(name))
    };
    printable.0.0
}

/// The name as C++ has it, without arguments and result: names of functions are long enough. `None`: it is none of
/// C++'s, or too long to be worth the time.
fn of_cpp(name: &str) -> Option<String> {
    if !name.starts_with("_Z") || name.len() > MAX_CPP_NAME || rustc_demangle::try_demangle(name).is_ok() {
        return None;
    }
    let symbol = cpp_demangle::Symbol::new_with_options(name.as_bytes(), &ParseOptions::default()).ok()?;
    let mut text = Limited(String::new());
    let options = DemangleOptions::new().no_params().no_return_type();
    // It ends with an error where the name was cut, which the name says itself.
    let _ = symbol.structured_demangle(&mut text, &options);
    Some(text.0)
}

/// Returns whether that may be so in Rust's mangling v0; the older one has none.
fn has_many_back_references(name: &str) -> bool {
    name.trim_start_matches('_').starts_with('R')
        && name.bytes().filter(|&byte| byte == b'B').count() > MAX_BACK_REFERENCES
}

/// Takes a name while it is made, so that no more is made than is taken.
struct Limited(String);

impl fmt::Write for Limited {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.0.len() >= MAX_PRINTED {
                self.0.push_str("...");
                return Err(fmt::Error);
            }
            self.0.push(character);
        }
        Ok(())
    }
}

/// The name that begins there in a string table, without its NUL, and no more of it than that many bytes.
pub(super) fn name_at(start: &[u8], most: usize) -> &[u8] {
    let start = &start[..start.len().min(most)];
    start.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// A symbol that may name code: a function, or a label of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeSymbol<'a> {
    /// Its address.
    pub address: u64,
    /// In bytes; 0: unknown.
    pub size: u64,
    /// Whether it says to be a function.
    pub is_function: bool,
    /// Where its name begins.
    name: &'a [u8],
}

impl CodeSymbol<'_> {
    /// Its name demangled, [escaped](crate::text); an endless one ends in `...`.
    #[must_use]
    pub fn name(&self) -> String {
        printable_name(&String::from_utf8_lossy(name_at(self.name, MAX_NAME)))
    }
}

/// What an assembler for Arm or RISC-V says about a section from an address on (ELF for the Arm 64-bit Architecture,
/// "Mapping symbols").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The address.
    pub address: u64,
    /// Whether what begins there is code; else it is data, as a literal pool.
    pub is_code: bool,
}

impl<'a> Symbols<'a> {
    /// Those of a file, whose table has been read.
    pub(super) fn new(file: &'a [u8], place: &SymbolTable, machine: Machine) -> Self {
        let bytes = file.get(place.symbols.clone()).unwrap_or_default();
        Self {
            machine,
            table: match machine.width() {
                Width::Bits32 => Table::Bits32(entries(bytes)),
                Width::Bits64 => Table::Bits64(entries(bytes)),
            },
            strings: file.get(place.strings.clone()).unwrap_or_default(),
        }
    }

    /// Looks at all of them; the address of the one of that name, the first by address if there are several.
    ///
    /// # Errors
    /// A name is not in the string table.
    pub(super) fn check(&self, name: &str) -> Result<Option<u64>, String> {
        let mut found = None;
        for symbol in self.all() {
            let Symbol {
                name: start, address, ..
            } = symbol?;
            if is_name(start, name.as_bytes()) && found.is_none_or(|first| address < first) {
                found = Some(address);
            }
        }
        Ok(found)
    }

    /// Every entry that counts, in the file's order.
    fn all(&self) -> impl Iterator<Item = Result<Symbol<'a>, String>> {
        let Self {
            machine,
            table,
            strings,
        } = *self;
        let count = match table {
            Table::Bits32(entries) => entries.len(),
            Table::Bits64(entries) => entries.len(),
        };
        (0..count).filter_map(move |index| match table {
            Table::Bits32(entries) => symbol(&entries[index], strings, machine).transpose(),
            Table::Bits64(entries) => symbol(&entries[index], strings, machine).transpose(),
        })
    }

    fn iter(&self) -> impl Iterator<Item = Symbol<'a>> {
        // When the image was read, there was no error.
        self.all()
            .filter_map(Result::ok)
            .filter(|symbol| !matches!(symbol.kind, Kind::Mark { .. }))
    }

    /// The marks of code and of data, by address; of those at one address that of code is the last.
    #[must_use]
    pub fn marks(&self) -> Vec<Mark> {
        let mut marks: Vec<_> = self
            .all()
            .filter_map(Result::ok)
            .filter_map(|Symbol { address, kind, .. }| match kind {
                Kind::Mark { is_code } => Some(Mark { address, is_code }),
                _ => None,
            })
            .collect();
        marks.sort_by_key(|mark| (mark.address, mark.is_code));
        marks
    }

    /// Number of symbols.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Returns whether the image is stripped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// Address of the symbol of that name; the first by address if there are several.
    #[must_use]
    pub fn address_of(&self, name: &str) -> Option<u64> {
        // When the image was read, there was no error.
        self.check(name).ok().flatten()
    }

    /// The symbols in that range that may name code, by address; of those at one address, the largest first.
    #[must_use]
    pub fn code(&self, range: Range<u64>) -> Vec<CodeSymbol<'a>> {
        let mut symbols: Vec<_> = self
            .iter()
            .filter(|symbol| symbol.kind != Kind::Object && range.contains(&symbol.address))
            .map(|symbol| CodeSymbol {
                address: symbol.address,
                size: symbol.size,
                is_function: symbol.kind == Kind::Function,
                name: symbol.name,
            })
            .collect();
        symbols.sort_by_key(|symbol| (symbol.address, Reverse(symbol.size)));
        symbols
    }

    /// Addresses and sizes of the variables, by address.
    pub(super) fn variables(&self) -> Vec<(u64, u64)> {
        let mut variables: Vec<_> = self
            .iter()
            .filter(|symbol| symbol.kind == Kind::Object)
            .map(|symbol| (symbol.address, symbol.size))
            .collect();
        variables.sort_by_key(|&(address, _)| address);
        variables.dedup_by_key(|&mut (address, _)| address);
        variables
    }

    /// The function that holds `address`: the innermost one whose size covers it, or else the label of unknown size
    /// that precedes it most closely.
    ///
    /// Meaningful for code addresses only: labels of data are not told apart from labels of code.
    #[must_use]
    pub fn function_at(&self, address: u64) -> Option<Location<'a>> {
        let (mut function, mut label) = (None::<Symbol<'a>>, None::<Symbol<'a>>);
        for symbol in self.iter().filter(|symbol| symbol.address <= address) {
            let key = (symbol.address, Reverse(symbol.size));
            let holds = address - symbol.address < symbol.size;
            let best = match (symbol.kind, symbol.size) {
                (Kind::Function, _) if holds => &mut function,
                (Kind::Function | Kind::Untyped, 0) => &mut label,
                _ => continue,
            };
            if best.is_none_or(|best| (best.address, Reverse(best.size)) <= key) {
                *best = Some(symbol);
            }
        }
        let symbol = function.or(label)?;
        Some(Location {
            name: String::from_utf8_lossy(name_at(symbol.name, MAX_NAME)),
            offset: address - symbol.address,
        })
    }
}

/// The entries of a table; what is no whole entry is none.
fn entries<T: pod::Pod>(bytes: &[u8]) -> &[T] {
    pod::slice_from_all_bytes(bytes).unwrap_or_default()
}

/// An entry of the table, if it is a symbol that counts.
fn symbol<'a>(
    entry: &impl Sym<Endian = LittleEndian>,
    strings: &'a [u8],
    machine: Machine,
) -> Result<Option<Symbol<'a>>, String> {
    let mut kind = match entry.st_type() {
        elf::STT_FUNC | elf::STT_GNU_IFUNC => Kind::Function,
        elf::STT_NOTYPE => Kind::Untyped,
        elf::STT_OBJECT => Kind::Object,
        _ => return Ok(None),
    };
    let name = entry.st_name(LittleEndian);
    let start = strings.get(name as usize..).unwrap_or_default();
    match start.first() {
        None => {
            return Err(format!(
                "a symbol's name at {name:#x} is outside the string table; copy or link the file again, or strip it \
                (`strip`)"
            ));
        }
        Some(0) => return Ok(None),
        Some(_) if entry.is_undefined(LittleEndian) => return Ok(None),
        // A mark is no name; it may have one behind a full stop.
        Some(b'$') => match start {
            [b'$', b'x', 0 | b'.', ..] => kind = Kind::Mark { is_code: true },
            [b'$', b'd', 0 | b'.', ..] => kind = Kind::Mark { is_code: false },
            _ => return Ok(None),
        },
        Some(_) => {}
    }
    let value = entry.st_value(LittleEndian).into();
    Ok(Some(Symbol {
        address: match kind {
            Kind::Function => machine.code_address(value),
            Kind::Untyped | Kind::Object | Kind::Mark { .. } => value,
        },
        size: entry.st_size(LittleEndian).into(),
        kind,
        name: start,
    }))
}

/// Returns whether the name that begins there is that one.
fn is_name(start: &[u8], name: &[u8]) -> bool {
    start
        .strip_prefix(name)
        .is_some_and(|rest| matches!(rest.first(), None | Some(0)))
}
