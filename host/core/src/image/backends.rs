// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which functions the in-guest backends of an image provide, as far as its symbols tell.
//!
//! A guest registers its backends in a slice of pointers, bounded by two symbols of the linker. Each pointer leads to a
//! variable that refers to the backend's name, by address and length, and to the table of its functions, which refers
//! to their names. Rust does not promise where in a variable a reference stands, and only symbols tell how large a
//! variable is: a stripped image tells nothing.

use super::externals::{External, MAX_NAME};
use super::note::MAX_BACKENDS;
use super::segments::{self, Segment};
use super::symbols::Symbols;
use super::{Backend, Machine};
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

const START: &str = "__start_linkme_BACKENDS";
const END: &str = "__stop_linkme_BACKENDS";
/// The words of a backend's variable, and of all its tables of functions, that are looked at.
const MAX_WORDS: usize = 32;
const MAX_WORDS_OF_TABLES: usize = 8192;

/// What is known of the image's memory and symbols.
pub(super) struct Scan<'a> {
    machine: Machine,
    segments: &'a [Segment],
    /// Names of the external functions.
    externals: BTreeSet<&'a str>,
    /// Addresses and sizes of the variables, by address.
    variables: Vec<(u64, u64)>,
    /// Words of each backend's variable.
    backends: Vec<Vec<u64>>,
}

impl<'a> Scan<'a> {
    pub(super) fn new(
        symbols: Symbols<'_>,
        machine: Machine,
        segments: &'a [Segment],
        externals: &'a [External],
    ) -> Self {
        let bounds = (symbols.address_of(START), symbols.address_of(END));
        let mut scan = Self {
            machine,
            segments,
            externals: BTreeSet::new(),
            variables: Vec::new(),
            backends: Vec::new(),
        };
        let (Some(start), Some(end)) = bounds else {
            return scan;
        };
        scan.externals = externals.iter().map(|e| e.name.as_str()).collect();
        scan.variables = symbols.variables();
        let slice = end
            .checked_sub(start)
            .and_then(|size| segments::initial_bytes(segments, start, size))
            .unwrap_or_default();
        scan.backends = machine
            .pointers(slice)
            .take(MAX_BACKENDS)
            .filter_map(|address| scan.words_of_variable(address, MAX_WORDS))
            .collect();
        scan
    }

    /// The backend of that name; without functions if the symbols do not tell.
    pub(super) fn backend(&self, name: &str) -> Backend {
        let is_named = |words: &&Vec<u64>| self.texts(words).any(|text| text == name);
        let words = self.backends.iter().find(is_named);
        Backend {
            name: name.into(),
            functions: words.map_or_else(Vec::new, |words| self.named_in_tables(words)),
        }
    }

    /// The words of the variable at that address, up to so many.
    fn words_of_variable(&self, address: u64, most: usize) -> Option<Vec<u64>> {
        let found = self.variables.binary_search_by_key(&address, |v| v.0).ok()?;
        let (_, size) = self.variables[found];
        let bytes = segments::initial_bytes(self.segments, address, size)?;
        Some(self.machine.pointers(bytes).take(most).collect())
    }

    /// The texts that two words each refer to, as address and length.
    fn texts<'b>(&'b self, words: &'b [u64]) -> impl Iterator<Item = &'b str> {
        words
            .windows(2)
            .filter(|pair| pair[1] <= MAX_NAME as u64)
            .filter_map(|pair| segments::initial_bytes(self.segments, pair[0], pair[1]))
            .filter_map(|bytes| core::str::from_utf8(bytes).ok())
    }

    /// The external functions that are named in variables to which the words lead.
    fn named_in_tables(&self, words: &[u64]) -> Vec<String> {
        let mut left = MAX_WORDS_OF_TABLES;
        let mut named = BTreeSet::new();
        for &address in words {
            let Some(table) = self.words_of_variable(address, left) else {
                continue;
            };
            left -= table.len();
            named.extend(self.texts(&table).filter_map(|text| self.externals.get(text).copied()));
        }
        named.into_iter().map(String::from).collect()
    }
}
