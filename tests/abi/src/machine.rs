// SPDX-License-Identifier: MIT OR Apache-2.0
//! The architectures that the lists are made for.

use paravirt_abi::signature::Width;
use paravirt_section_tests::arch::Arch;

/// An architecture on which guests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// 32 bits.
    I386,
    /// 64 bits.
    X86_64,
    /// 64 bits, listed by what differs from x86-64.
    Aarch64,
}

impl Machine {
    /// Those that are listed in full.
    pub const ALL: [Self; 2] = [Self::I386, Self::X86_64];

    /// Its name in file names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::I386 => "i386",
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// What compilers call it.
    #[must_use]
    pub const fn arch(self) -> Arch {
        match self {
            Self::I386 => Arch::I386,
            Self::X86_64 => Arch::X86_64,
            Self::Aarch64 => Arch::Aarch64,
        }
    }

    /// Pointer width.
    #[must_use]
    pub const fn width(self) -> Width {
        match self {
            Self::I386 => Width::Bits32,
            Self::X86_64 | Self::Aarch64 => Width::Bits64,
        }
    }
}
