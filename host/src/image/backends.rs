// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which in-guest backends the image carries, as far as its symbols tell.
//!
//! A guest registers its backends in a slice of pointers, bounded by two symbols of the linker. Each pointer leads to a
//! variable `..::<backend>::BACKEND`, so its symbol holds the name. A stripped image tells nothing.

use super::Machine;
use super::segments::{self, Segment};
use super::symbols::Symbols;
use crate::prototype::is_identifier;

const START: &str = "__start_linkme_BACKENDS";
const END: &str = "__stop_linkme_BACKENDS";
/// The variable in each backend's module.
const VARIABLE: &str = "::BACKEND";
/// More are not looked at.
const MAX_BACKENDS: usize = 16;

/// Names of the backends, sorted.
pub(super) fn find(symbols: &Symbols, machine: Machine, segments: &[Segment]) -> Vec<String> {
    let (Some(start), Some(end)) = (symbols.address_of(START), symbols.address_of(END)) else {
        return Vec::new();
    };
    let Some(bytes) = end
        .checked_sub(start)
        .and_then(|size| segments::initial_bytes(segments, start, size))
    else {
        return Vec::new();
    };
    let mut names: Vec<_> = machine
        .pointers(bytes)
        .take(MAX_BACKENDS)
        .filter_map(|address| symbols.variable_at(address))
        .filter_map(|variable| {
            let module = variable.strip_suffix(VARIABLE)?.rsplit("::").next()?;
            is_identifier(module).then(|| module.to_owned())
        })
        .collect();
    names.sort();
    names
}
