// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kinds of instructions that a guest should not have.

/// What is wrong with an instruction in a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// User mode may not execute it: it faults.
    Privileged,
    /// User mode may, but it shows or does something else there, without a fault.
    Sensitive,
    /// It enters whatever kernel is below, past the jump table.
    Escape,
}

impl Class {
    /// Its name, in one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Sensitive => "sensitive",
            Self::Escape => "escape",
        }
    }
}

/// An instruction of interest.
pub(super) struct Classified {
    /// Its name in an allowlist.
    pub(super) name: String,
    pub(super) class: Class,
    pub(super) why: &'static str,
}
