// SPDX-License-Identifier: MIT OR Apache-2.0
//! The symbol table, for fault reports and for the few variables a host looks up by name.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::ops::Range;

use crate::text::Escaper;

/// What a symbol stands for, as far as a host cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A function with its size.
    Function,
    /// Whatever the assembler or the linker script left untyped; a label if it lies in code.
    Untyped,
    /// A variable.
    Object,
}

/// A defined symbol, its name still in the file.
#[derive(Clone, Debug)]
pub(super) struct Symbol {
    pub(super) address: u64,
    pub(super) size: u64,
    pub(super) kind: Kind,
    /// Offset of its name in the string table.
    pub(super) name: u32,
}

/// What the file's symbol table says.
#[derive(Clone, Debug, Default)]
pub(super) struct RawSymbols {
    pub(super) symbols: Vec<Symbol>,
    /// The string table's place in the file.
    pub(super) strings: Range<usize>,
}

/// More of a name is not looked at, so that many symbols or sections on one endless name cost no more than others.
const MAX_NAME: usize = 4096;

/// More of a demangled name is not printed. Parts of a mangled name stand for earlier parts, and those for others, so that some
/// hundred bytes of it can make a million.
const MAX_PRINTED: usize = 1024;

/// The image's defined symbols. Empty if the image is stripped.
#[derive(Clone, Debug)]
pub struct Symbols {
    file: Arc<Vec<u8>>,
    /// The string table's place in the file.
    strings: Range<usize>,
    /// Sorted by address.
    symbols: Vec<Symbol>,
}

/// An address as `function+offset`.
///
/// The name comes demangled from [`fmt::Display`], [escaped](crate::text), since it is the guest's text; an endless one ends in `...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location<'a> {
    /// The function's name in the file, invalid UTF-8 replaced.
    pub name: alloc::borrow::Cow<'a, str>,
    /// Bytes from the function's start.
    pub offset: u64,
}

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:#x}", printable(&self.name), self.offset)
    }
}

/// The name demangled, [escaped](crate::text), cut at [`MAX_PRINTED`].
fn printable(name: &str) -> String {
    let mut printable = Escaper(Limited(String::new()));
    // It ends with an error where the name was cut, which the name says itself.
    let _ = write!(printable, "{:#}", rustc_demangle::demangle(name));
    printable.0.0
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

/// The name that begins there in a string table, without its NUL.
pub(super) fn name_at(strings: &[u8]) -> &[u8] {
    let start = &strings[..strings.len().min(MAX_NAME)];
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
        printable(&String::from_utf8_lossy(name_at(self.name)))
    }
}

impl Symbols {
    pub(super) fn new(file: Arc<Vec<u8>>, raw: RawSymbols) -> Self {
        let RawSymbols {
            mut symbols,
            strings,
        } = raw;
        symbols.sort_by_key(|symbol| symbol.address);
        Self {
            file,
            strings,
            symbols,
        }
    }

    /// Where a symbol's name begins in the string table.
    fn start_of_name(&self, symbol: &Symbol) -> &[u8] {
        let strings = self.file.get(self.strings.clone()).unwrap_or_default();
        let rest = strings.get(symbol.name as usize..).unwrap_or_default();
        &rest[..rest.len().min(MAX_NAME)]
    }

    /// A symbol's name.
    fn name(&self, symbol: &Symbol) -> &[u8] {
        name_at(self.start_of_name(symbol))
    }

    /// Number of symbols.
    #[must_use]
    pub fn len(&self) -> usize {
        self.symbols.len()
    }

    /// Whether the image is stripped.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// Address of the symbol of that name; the first by address if there are several.
    #[must_use]
    pub fn address_of(&self, name: &str) -> Option<u64> {
        self.symbols
            .iter()
            .find(|symbol| self.name(symbol) == name.as_bytes())
            .map(|symbol| symbol.address)
    }

    /// The symbols in that range that may name code, by address; of those at one address, the largest first.
    pub fn code(&self, range: Range<u64>) -> impl Iterator<Item = CodeSymbol<'_>> {
        let start = self.symbols.partition_point(|s| s.address < range.start);
        let end = self.symbols.partition_point(|s| s.address < range.end);
        let mut symbols: Vec<_> = self.symbols[start..end]
            .iter()
            .filter(|symbol| symbol.kind != Kind::Object)
            .map(|symbol| CodeSymbol {
                address: symbol.address,
                size: symbol.size,
                is_function: symbol.kind == Kind::Function,
                name: self.start_of_name(symbol),
            })
            .collect();
        symbols.sort_by_key(|symbol| (symbol.address, core::cmp::Reverse(symbol.size)));
        symbols.into_iter()
    }

    /// Size of the variable at exactly that address.
    pub(super) fn size_of_variable(&self, address: u64) -> Option<u64> {
        let first = self.symbols.partition_point(|s| s.address < address);
        self.symbols[first..]
            .iter()
            .take_while(|s| s.address == address)
            .find(|s| s.kind == Kind::Object)
            .map(|s| s.size)
    }

    /// The function that holds `address`: the innermost one whose size covers it, or else the label of unknown size
    /// that precedes it most closely.
    ///
    /// Meaningful for code addresses only: labels of data are not told apart from labels of code.
    #[must_use]
    pub fn function_at(&self, address: u64) -> Option<Location<'_>> {
        let end = self.symbols.partition_point(|s| s.address <= address);
        let before = || self.symbols[..end].iter().rev();
        let symbol = before()
            .find(|s| s.kind == Kind::Function && address - s.address < s.size)
            .or_else(|| before().find(|s| s.kind != Kind::Object && s.size == 0))?;
        Some(Location {
            name: String::from_utf8_lossy(self.name(symbol)),
            offset: address - symbol.address,
        })
    }
}
