// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the processor says of Xen (Xen's public headers, version 4.17: `xen/include/public/arch-x86/cpuid.h`).

#[cfg(target_arch = "x86")]
use core::arch::x86::__cpuid;
#[cfg(target_arch = "x86_64")]
use core::arch::x86_64::__cpuid;

use crate::backend::xen::hypercall::Instruction;

/// Where Xen's leaves may begin: at the first of a hypervisor's, or behind those of another that it imitates.
const LEAVES: core::ops::Range<u32> = 0x4000_0000..0x4001_0000;
const STEP: usize = 0x100;

/// Whether Xen is below this processor.
pub(in crate::backend::xen) fn is_xen() -> bool {
    LEAVES
        .step_by(STEP)
        .any(|leaf| letters(leaf) == *b"XenVMMXenVMM")
}

/// The twelve letters in ebx, ecx and edx, in this order.
fn letters(leaf: u32) -> [u8; 12] {
    let result = __cpuid(leaf);
    let mut letters = [0; 12];
    for (part, register) in letters
        .chunks_exact_mut(4)
        .zip([result.ebx, result.ecx, result.edx])
    {
        part.copy_from_slice(&register.to_le_bytes());
    }
    letters
}

/// Which of the two instructions this processor has.
pub(super) fn instruction() -> Instruction {
    // Leaf 0 has the vendor's letters in the order ebx, edx, ecx.
    match &letters(0) {
        b"AuthcAMDenti" | b"HygouinenGen" => Instruction::Vmmcall,
        _ => Instruction::Vmcall,
    }
}
