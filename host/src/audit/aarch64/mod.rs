// SPDX-License-Identifier: MIT OR Apache-2.0
//! Code for AArch64.
//!
//! All instructions have one size, so that what no program may do can be found without decoding the rest: only the
//! groups of system and exception-generating instructions are.

mod classify;

use disarm64::{InsnOpcode as _, decoder_exception, decoder_system};

use super::Classified;
use super::code::Piece;
use super::{Architecture, Decoded};

/// The size of an instruction in bytes.
const SIZE: usize = 4;

/// The decoder.
pub(super) struct Aarch64;

impl Architecture for Aarch64 {
    type Instruction = Instruction;
    type Decoder<'a> = Instructions<'a>;

    const WIDE_STATE: &'static str = "SVE or SME";
    const WIDE_REMEDY: &'static str = "for armv8-a without +sve and +sme";

    fn decode<'a>(&self, piece: &Piece<'a>) -> Instructions<'a> {
        Instructions {
            address: piece.address,
            bytes: piece.bytes,
        }
    }

    fn classify(&mut self, instruction: &Instruction) -> Option<Classified> {
        classify::classify(instruction)
    }

    fn disassemble(&mut self, instruction: &Instruction) -> String {
        instruction.to_string()
    }

    fn is_wide(instruction: &Instruction) -> bool {
        is_wide(instruction)
    }
}

/// An instruction, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(super) enum Instruction {
    /// A move to or from a system register, an operation on caches or tables, a barrier, a hint.
    System(decoder_system::Opcode),
    /// It makes an exception.
    Exception(decoder_exception::Opcode),
    /// Any other, by its word.
    Other(u32),
}

impl Instruction {
    /// The instruction of that word; `None`: it is none.
    fn decode(word: u32) -> Option<Self> {
        match word >> 22 {
            0b11_0101_0100 => decoder_system::decode(word).map(Self::System),
            0b11_0101_0000..=0b11_0101_0011 => decoder_exception::decode(word).map(Self::Exception),
            // The main encoding table (Arm ARM, C4.1): reserved but for `udf`, and unallocated. What is not allocated
            // in the groups of other instructions is taken for one.
            _ => match word >> 25 & 0b1111 {
                0b0000 if word >> 31 == 0 => decoder_exception::decode(word).map(Self::Exception),
                0b0001 | 0b0011 => None,
                _ => Some(Self::Other(word)),
            },
        }
    }
}

impl std::fmt::Display for Instruction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = match self {
            Self::System(opcode) => opcode.to_string(),
            Self::Exception(opcode) => opcode.to_string(),
            Self::Other(word) => match classify::branch(*word) {
                Some(name) => name.to_owned(),
                None => format!(".inst {word:#010x}"),
            },
        };
        // The decoder puts tabulators between an instruction's name and what it is about.
        f.write_str(&text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// Decodes one instruction after the other.
pub(super) struct Instructions<'a> {
    address: u64,
    /// What is left.
    bytes: &'a [u8],
}

impl Iterator for Instructions<'_> {
    type Item = Decoded<Instruction>;

    fn next(&mut self) -> Option<Self::Item> {
        let address = self.address;
        // Where symbols cut an instruction, there is none up to the next one.
        let part = address as usize % SIZE;
        let (size, instruction) = match self.bytes.first_chunk() {
            Some(&word) if part == 0 => (SIZE, Instruction::decode(u32::from_le_bytes(word))),
            _ => (self.bytes.len().min(SIZE - part), None),
        };
        self.address = address.wrapping_add(size as u64);
        self.bytes = &self.bytes[size..];
        (size > 0).then_some(Decoded {
            address,
            size: size as u64,
            instruction,
        })
    }
}

/// Returns whether it is an instruction of SVE or SME: both have groups of their own in the main encoding table (Arm
/// ARM, C4.1). Besides, SME is turned on by `smstart`, which sets a field of `PSTATE`.
fn is_wide(instruction: &Instruction) -> bool {
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
    use crate::audit::code::Name;

    /// Addresses and sizes of what is decoded, and whether it is an instruction.
    fn decoded(address: u64, bytes: &[u8]) -> Vec<(u64, u64, bool)> {
        let piece = Piece {
            function: Name::Range(0..0),
            in_function: true,
            address,
            bytes,
        };
        Aarch64
            .decode(&piece)
            .map(|decoded| (decoded.address, decoded.size, decoded.instruction.is_some()))
            .collect()
    }

    #[test]
    fn what_is_no_whole_instruction_is_none() {
        let nops = [0x1f, 0x20, 0x03, 0xd5].repeat(3);
        assert_eq!(
            decoded(0x1000, &nops[..10]),
            [(0x1000, 4, true), (0x1004, 4, true), (0x1008, 2, false)]
        );
        assert_eq!(
            decoded(0x1002, &nops[2..10]),
            [(0x1002, 2, false), (0x1004, 4, true), (0x1008, 2, false)]
        );
        assert_eq!(decoded(0x1003, &nops[3..4]), [(0x1003, 1, false)]);
        assert_eq!(decoded(0x1000, &[]), []);
    }

    #[test]
    fn what_is_not_allocated_is_no_instruction() {
        // `udf`, `nop`, `add`, and an instruction of SME
        for word in [0x0000_0007, 0xd503_201f, 0x9100_0421, 0x8080_0000] {
            assert!(Instruction::decode(word).is_some(), "{word:#x}");
        }
        for word in [0x0001_0000, 0x0200_0000, 0x6600_0000, 0xd400_0000, 0xd4e0_0000] {
            assert!(Instruction::decode(word).is_none(), "{word:#x}");
        }
    }

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
