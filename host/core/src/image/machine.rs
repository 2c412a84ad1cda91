// SPDX-License-Identifier: MIT OR Apache-2.0
//! The architectures a guest may be built for.

use core::fmt;

use object::elf;
use paravirt_abi::signature::Width;

/// Architecture of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Machine {
    /// 32-bit x86.
    I386,
    /// 64-bit x86 with 64-bit pointers.
    X86_64,
    /// 64-bit Arm.
    Aarch64,
    /// 32-bit Arm.
    Arm,
    /// 64-bit RISC-V.
    Riscv64,
}

impl Machine {
    /// Every architecture.
    pub const ALL: [Self; 5] = [Self::I386, Self::X86_64, Self::Aarch64, Self::Arm, Self::Riscv64];

    /// The architecture of an ELF machine number (`e_machine`); `None` if the ABI is not defined for it.
    #[must_use]
    pub fn from_elf(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.elf() == number)
    }

    /// The ELF machine number.
    #[must_use]
    pub const fn elf(self) -> u16 {
        match self {
            Self::I386 => elf::EM_386.0,
            Self::X86_64 => elf::EM_X86_64.0,
            Self::Aarch64 => elf::EM_AARCH64.0,
            Self::Arm => elf::EM_ARM.0,
            Self::Riscv64 => elf::EM_RISCV.0,
        }
    }

    /// Pointer width.
    #[must_use]
    pub const fn width(self) -> Width {
        match self {
            Self::I386 | Self::Arm => Width::Bits32,
            Self::X86_64 | Self::Aarch64 | Self::Riscv64 => Width::Bits64,
        }
    }

    /// Size of a pointer in bytes.
    #[must_use]
    pub const fn pointer_size(self) -> u64 {
        pointer_size(self.width())
    }

    /// The pointers in a guest's memory; a rest smaller than one is left out.
    pub(super) fn pointers(self, bytes: &[u8]) -> impl Iterator<Item = u64> {
        // The pointer size fits any usize.
        bytes.chunks_exact(self.pointer_size() as usize).map(|pointer| {
            let number = |number, &byte| number << 8 | u64::from(byte);
            pointer.iter().rev().fold(0, number)
        })
    }

    /// Address of the instruction that a code pointer leads to: on Arm bit 0 only selects the Thumb state.
    #[must_use]
    pub const fn code_address(self, pointer: u64) -> u64 {
        match self {
            Self::Arm => pointer & !1,
            _ => pointer,
        }
    }
}

/// Size in bytes of a pointer of that width.
#[must_use]
pub const fn pointer_size(width: Width) -> u64 {
    match width {
        Width::Bits32 => 4,
        Width::Bits64 => 8,
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::I386 => "i386",
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::Arm => "arm",
            Self::Riscv64 => "riscv64",
        })
    }
}
