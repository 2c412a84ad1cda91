// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of the four sections of external functions that a host reads. The guest has two more for itself, see the
//! README.
//!
//! Each entry has a section of its own, `<section>.<function>`, so that the linker's garbage collection drops the
//! entries nobody calls; the linker script puts them together under the names below.

/// NUL-terminated function names.
pub const STRINGS: &str = ".data.l4externals.str";
/// One pointer per function, to its name in [`STRINGS`].
pub const SYMBOLS: &str = ".data.l4externals.symtab";
/// One slot per function: the address that its thunk jumps to. `SYMBOLS[i]` belongs to `SLOTS[i]`.
pub const SLOTS: &str = ".data.l4externals.jmptbl";
/// One 64-bit prototype word per function, see [`crate::signature::Signature`]. Absent in images of 2013.
pub const SIGNATURES: &str = ".data.l4externals.sig";

/// The prefix of all four sections.
pub const PREFIX: &str = ".data.l4externals.";
/// The other prefix seen in the sources of 2013 (no `s`); scanners accept both.
pub const LEGACY_PREFIX: &str = ".data.l4external.";

/// Symbol of the pointer through which an unbound slot reaches the resolver (the name of 2013).
pub const RESOLVER_SYMBOL: &str = "__l4_external_resolver";
