// SPDX-License-Identifier: MIT OR Apache-2.0
//! Architectures of guests.

use std::fmt;

/// An architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// x86-64.
    X86_64,
    /// i386.
    I386,
}

impl Arch {
    /// All.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::I386];

    /// The name of its folder of guests.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::I386 => "i386",
        }
    }

    /// C compilers for it, with their arguments; the first that works is used.
    #[must_use]
    pub const fn c_compilers(self) -> &'static [&'static [&'static str]] {
        match self {
            Self::X86_64 => &[&["cc", "-m64"]],
            Self::I386 => &[&["i686-linux-gnu-gcc"], &["cc", "-m32"]],
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
