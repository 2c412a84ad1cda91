// SPDX-License-Identifier: MIT OR Apache-2.0
//! Instructions that use SVE or SME state.

use disarm64::InsnOpcode as _;

use super::Instruction;

/// Returns whether it is an instruction of SVE or SME: both have groups of their own in the main encoding table (Arm
/// ARM, C4.1). Besides, SME is turned on by `smstart`, which sets a field of `PSTATE`.
pub(super) fn is_wide(instruction: &Instruction) -> bool {
    match instruction {
        Instruction::Other(word) => {
            let group = word >> 25 & 0b1111;
            group == 0b0010 || group == 0b0000 && word >> 31 == 1
        }
        // `msr svcrsm, #imm` and its kin
        Instruction::System(opcode) => opcode.bits() & 0xffff_f0ff == 0xd503_407f,
        Instruction::Exception(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(word: u32) -> bool {
        is_wide(&Instruction::decode(word).expect("an instruction"))
    }

    #[test]
    fn what_upcalls_do_not_keep_is_found() {
        for (word, text) in [
            (0x04a0_0000, "add z0.s, z0.s, z0.s"),
            (0xa400_a000, "ld1b {z0.b}, p0/z, [x0, x0]"),
            (0x2598_e3e0, "ptrue p0.s"),
            (0x04bf_5020, "rdvl x0, #1"),
            (0x8080_0000, "fmopa za0.s, p0/m, p0/m, z0.s, z0.s"),
            (0xc008_00ff, "zero {za}"),
            (0xd503_477f, "smstart"),
            (0xd503_427f, "smstop sm"),
        ] {
            assert!(wide(word), "{text}");
        }
    }

    #[test]
    fn what_they_keep_is_not() {
        for (word, text) in [
            (0x4ea1_8400, "add v0.4s, v0.4s, v1.4s"),
            (0x4cdf_7800, "ld1 {v0.4s}, [x0], #16"),
            (0x1e21_2800, "fadd s0, s0, s1"),
            (0x9ac0_4000, "crc32b w0, w0, w0, or as that"),
            (0xd51b_4400, "msr fpcr, x0"),
            (0xd503_413f, "msr dit, #1, or as that"),
            (0xd400_0001, "svc #0"),
        ] {
            assert!(!wide(word), "{text}");
        }
    }
}
