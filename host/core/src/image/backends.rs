// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which functions the in-guest backends of an image provide, as far as its symbols tell.
//!
//! A guest registers its backends in a slice of pointers, bounded by two symbols of the linker. Each pointer leads to a variable that
//! refers to the backend's name, by address and length, and to the table of its functions, which refers to their names. Rust does not
//! promise where in a variable a reference stands, and only symbols tell how large a variable is: a stripped image tells nothing.

use super::Machine;
use super::externals::{External, MAX_NAME};
use super::segments::{self, Segment};
use super::symbols::Symbols;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

const START: &str = "__start_linkme_BACKENDS";
const END: &str = "__stop_linkme_BACKENDS";
/// More are not looked at.
const MAX_BACKENDS: usize = 16;
/// The words of a backend's variable, and of a table of functions, that are looked at.
const MAX_WORDS: usize = 32;
const MAX_WORDS_OF_TABLE: usize = 8192;

/// What is known of the image's memory and symbols.
pub(super) struct Scan<'a> {
    pub(super) symbols: &'a Symbols,
    pub(super) machine: Machine,
    pub(super) segments: &'a [Segment],
    pub(super) externals: &'a [External],
}

impl Scan<'_> {
    /// The external functions that the backend of that name provides; empty if the symbols do not tell.
    pub(super) fn functions(&self, name: &str) -> Vec<String> {
        let (Some(start), Some(end)) =
            (self.symbols.address_of(START), self.symbols.address_of(END))
        else {
            return Vec::new();
        };
        let slice = end
            .checked_sub(start)
            .and_then(|size| segments::initial_bytes(self.segments, start, size))
            .unwrap_or_default();
        self.machine
            .pointers(slice)
            .take(MAX_BACKENDS)
            .find_map(|address| {
                let words = self.words_of_variable(address, MAX_WORDS)?;
                let is_named = self.texts(&words).any(|text| text == name.as_bytes());
                is_named.then_some(words)
            })
            .map(|words| self.named_in_tables(&words))
            .unwrap_or_default()
    }

    /// The words of the variable at that address, up to so many.
    fn words_of_variable(&self, address: u64, most: usize) -> Option<Vec<u64>> {
        let size = self.symbols.size_of_variable(address)?;
        let bytes = segments::initial_bytes(self.segments, address, size)?;
        Some(self.machine.pointers(bytes).take(most).collect())
    }

    /// The texts that two words each refer to, as address and length.
    fn texts<'a>(&'a self, words: &'a [u64]) -> impl Iterator<Item = &'a [u8]> {
        words
            .windows(2)
            .filter(|pair| pair[1] <= MAX_NAME as u64)
            .filter_map(|pair| segments::initial_bytes(self.segments, pair[0], pair[1]))
    }

    /// The external functions that are named in variables to which the words lead.
    fn named_in_tables(&self, words: &[u64]) -> Vec<String> {
        let tables: Vec<Vec<u64>> = words
            .iter()
            .filter_map(|&address| self.words_of_variable(address, MAX_WORDS_OF_TABLE))
            .collect();
        let named: BTreeSet<&[u8]> = tables.iter().flat_map(|words| self.texts(words)).collect();
        self.externals
            .iter()
            .map(|external| &external.name)
            .filter(|name| named.contains(name.as_bytes()))
            .cloned()
            .collect()
    }
}
