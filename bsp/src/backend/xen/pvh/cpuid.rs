// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the processor says of Xen (Xen's public headers, version 4.17: `xen/include/public/arch-x86/cpuid.h`).

use crate::backend::xen::hypercall::Instruction;
use crate::ring0::cpuid::letters;

/// Where Xen's leaves may begin: at the first of a hypervisor's, or behind those of another that it imitates.
const LEAVES: core::ops::Range<u32> = 0x4000_0000..0x4001_0000;
const STEP: usize = 0x100;

/// Whether Xen is below this processor.
pub(in crate::backend::xen) fn is_xen() -> bool {
    LEAVES.step_by(STEP).any(|leaf| letters(leaf) == *b"XenVMMXenVMM")
}

/// Which of the two instructions this processor has.
pub(super) fn instruction() -> Instruction {
    // Leaf 0 has the vendor's letters in the order ebx, edx, ecx.
    match &letters(0) {
        b"AuthcAMDenti" | b"HygouinenGen" => Instruction::Vmmcall,
        _ => Instruction::Vmcall,
    }
}
