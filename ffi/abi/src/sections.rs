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
/// One 64-bit prototype word per function, see [`crate::signature::Signature`]. Absent in L4RTEMS images.
pub const SIGNATURES: &str = ".data.l4externals.sig";

/// The prefix of all four sections.
pub const PREFIX: &str = ".data.l4externals.";
/// The other prefix seen in the L4RTEMS sources (no `s`); scanners accept both.
pub const L4RTEMS_PREFIX: &str = ".data.l4external.";
#[doc(hidden)]
pub use L4RTEMS_PREFIX as LEGACY_PREFIX;

/// Symbol of the pointer through which an unbound slot reaches the resolver (the L4RTEMS name).
pub const RESOLVER_SYMBOL: &str = "__l4_external_resolver";
