// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which functions the in-guest backends of an image provide, as far as its symbols tell.
//!
//! A guest registers its backends in a slice of pointers, bounded by two symbols of the linker. Each pointer leads to a
//! variable `..::<backend>::BACKEND`, so its symbol holds the name; beside it, `FUNCTIONS` refers to the names of the
//! functions it provides. A stripped image tells nothing.

use super::Machine;
use super::externals::External;
use super::segments::{self, Segment};
use super::symbols::Symbols;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

const START: &str = "__start_linkme_BACKENDS";
const END: &str = "__stop_linkme_BACKENDS";
/// The variable in each backend's module, as both of Rust's manglings write the last part of a path.
const VARIABLE: &str = "7BACKEND";
/// The variable with its functions.
const FUNCTIONS: &str = "9FUNCTIONS";
/// More are not looked at.
const MAX_BACKENDS: usize = 16;

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
            .find_map(|address| self.module(address, name))
            .map(|module| self.named_in(&format!("{module}{FUNCTIONS}")))
            .unwrap_or_default()
    }

    /// The mangled module of the backend's variable, if that is the one at that address.
    fn module(&self, address: u64, name: &str) -> Option<&str> {
        let variable = self.symbols.variable_at(address)?;
        let (module, _) = variable.rsplit_once(VARIABLE)?;
        let path = format!("{:#}", rustc_demangle::demangle(variable));
        (path.rsplit("::").nth(1) == Some(name)).then_some(module)
    }

    /// The external functions that the variable refers to by name. Rust does not promise where in an element the
    /// reference stands, but it is an address and a length.
    fn named_in(&self, variable: &str) -> Vec<String> {
        let table = self
            .symbols
            .variable_beginning(variable)
            .and_then(|(address, size)| segments::initial_bytes(self.segments, address, size))
            .unwrap_or_default();
        let words: Vec<u64> = self.machine.pointers(table).collect();
        let refers_to = |name: &str| {
            words.windows(2).any(|pair| {
                pair[1] == name.len() as u64
                    && segments::initial_bytes(self.segments, pair[0], pair[1])
                        == Some(name.as_bytes())
            })
        };
        self.externals
            .iter()
            .map(|external| &external.name)
            .filter(|name| refers_to(name))
            .cloned()
            .collect()
    }
}
