// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which hypervisor the processor names.

#[cfg(target_arch = "x86")]
use core::arch::x86::{__cpuid, CpuidResult};
#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::{__cpuid, CpuidResult};
use core::fmt;

/// First leaf of a hypervisor.
const HYPERVISOR: u32 = 0x4000_0000;
/// Leaf 1, ecx: the processor is virtual.
const IS_VIRTUAL: u32 = 1 << 31;

/// Leaf 1, ecx: the processor has `xsave`, and AVX.
const XSAVE_AND_AVX: u32 = 1 << 26 | 1 << 28;

fn cpuid(leaf: u32) -> CpuidResult {
    // Newer compilers know by themselves that it is safe.
    #[allow(unused_unsafe)]
    // SAFETY: all processors that guests run on have the instruction.
    unsafe {
        __cpuid(leaf)
    }
}

/// Returns whether `features`, ecx of leaf 1, has what AVX state needs.
pub(crate) fn has_avx(features: u32) -> bool {
    features & XSAVE_AND_AVX == XSAVE_AND_AVX
}

/// ecx of leaf 1.
pub(crate) fn features() -> u32 {
    cpuid(1).ecx
}

/// The signature of a hypervisor, twelve letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature([u8; 12]);

impl Signature {
    /// QEMU's own processor.
    pub const TCG: Self = Self(*b"TCGTCGTCGTCG");
    /// KVM.
    pub const KVM: Self = Self(*b"KVMKVMKVM\0\0\0");
    /// None of its own, though the processor says that it is virtual.
    pub const NONE: Self = Self([0; 12]);
}

/// Twelve letters that a leaf has in ebx, ecx and edx, in this order.
pub fn letters(leaf: u32) -> [u8; 12] {
    let result = cpuid(leaf);
    let mut letters = [0; 12];
    for (part, register) in letters.chunks_exact_mut(4).zip([result.ebx, result.ecx, result.edx]) {
        part.copy_from_slice(&register.to_le_bytes());
    }
    letters
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .take_while(|&&byte| byte != 0)
            .try_for_each(|byte| write!(f, "{}", byte.escape_ascii()))
    }
}

/// Returns whether the machine is a PC without a hypervisor, or with one that emulates a PC and is content with that:
/// QEMU's own processor, KVM.
#[must_use]
pub fn is_pc() -> bool {
    matches!(hypervisor(), None | Some(Signature::TCG | Signature::KVM))
}

/// The hypervisor, `None` on a real processor.
#[must_use]
pub fn hypervisor() -> Option<Signature> {
    if features() & IS_VIRTUAL == 0 {
        return None;
    }
    // A processor without these leaves answers with those of another.
    let highest = cpuid(HYPERVISOR).eax;
    Some(if highest == 0 || highest >= HYPERVISOR {
        Signature(letters(HYPERVISOR))
    } else {
        Signature::NONE
    })
}
