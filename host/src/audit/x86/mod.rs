// SPDX-License-Identifier: MIT OR Apache-2.0
//! Code for i386 and x86-64.

mod classify;

use classify::Classifier;
use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter, Instruction, Register};

use super::Classified;
use super::code::Piece;
use super::{Architecture, Decoded};

/// A decoder for code of one width.
pub(super) struct X86 {
    /// 32 or 64.
    bits: u32,
    classifier: Classifier,
    formatter: GasFormatter,
}

impl X86 {
    /// For code of 32 or 64 bits.
    pub(super) fn new(bits: u32) -> Self {
        let mut formatter = GasFormatter::new();
        let options = formatter.options_mut();
        options.set_space_after_operand_separator(true);
        options.set_branch_leading_zeros(false);
        options.set_uppercase_hex(false);
        Self {
            bits,
            classifier: Classifier::new(),
            formatter,
        }
    }
}

impl Architecture for X86 {
    type Instruction = Instruction;
    type Decoder<'a> = Instructions<'a>;

    const WIDE_STATE: &'static str = "AVX-512 or AMX";
    const WIDE_REMEDY: &'static str = "for x86-64-v3 at most, without -mavx512* and -mamx*";

    fn decode<'a>(&self, piece: &Piece<'a>) -> Instructions<'a> {
        Instructions(Decoder::with_ip(
            self.bits,
            piece.bytes,
            piece.address,
            DecoderOptions::NONE,
        ))
    }

    fn classify(&mut self, instruction: &Instruction) -> Option<Classified> {
        self.classifier.classify(instruction)
    }

    fn disassemble(&mut self, instruction: &Instruction) -> String {
        let mut text = String::new();
        self.formatter.format(instruction, &mut text);
        text
    }

    fn is_wide(instruction: &Instruction) -> bool {
        is_wide(instruction)
    }
}

/// Decodes one instruction after the other.
pub(super) struct Instructions<'a>(Decoder<'a>);

impl Iterator for Instructions<'_> {
    type Item = Decoded<Instruction>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.can_decode().then(|| {
            let instruction = self.0.decode();
            Decoded {
                address: instruction.ip(),
                size: instruction.len() as u64,
                instruction: (!instruction.is_invalid()).then_some(instruction),
            }
        })
    }
}

/// The registers 16 to 31 of SSE and AVX came with AVX-512.
const NARROW_REGISTERS: usize = 16;

/// Returns whether the instruction names a register that is no part of x87, SSE and AVX state. One of
/// AVX-512 that gets by with those of AVX loses nothing in an upcall.
fn is_wide(instruction: &Instruction) -> bool {
    (0..instruction.op_count())
        .map(|operand| instruction.op_register(operand))
        .chain([instruction.memory_index(), instruction.op_mask()])
        .any(|register| match register {
            Register::None => false,
            _ if register.is_xmm() || register.is_ymm() => register.number() >= NARROW_REGISTERS,
            _ => register.is_zmm() || register.is_k() || register.is_tmm(),
        })
}

#[cfg(test)]
mod tests {
    use iced_x86::{Decoder, DecoderOptions};

    use super::*;

    fn wide(bits: u32, code: &[u8]) -> bool {
        let instruction = Decoder::with_ip(bits, code, 0, DecoderOptions::NONE).decode();
        assert!(!instruction.is_invalid() && instruction.len() == code.len());
        is_wide(&instruction)
    }

    #[test]
    fn what_upcalls_do_not_keep_is_found() {
        let code: [(u32, &[u8]); 7] = [
            // vpxord %zmm0, %zmm0, %zmm0
            (64, &[0x62, 0xf1, 0x7d, 0x48, 0xef, 0xc0]),
            (32, &[0x62, 0xf1, 0x7d, 0x48, 0xef, 0xc0]),
            // vpxord %xmm16, %xmm16, %xmm16
            (64, &[0x62, 0xa1, 0x7d, 0x00, 0xef, 0xc0]),
            // vpaddd %ymm0, %ymm0, %ymm0{%k1}
            (64, &[0x62, 0xf1, 0x7d, 0x29, 0xfe, 0xc0]),
            // kmovw %eax, %k1
            (64, &[0xc5, 0xf8, 0x92, 0xc8]),
            // vgatherdps (%rax,%zmm1,4), %zmm0{%k1}
            (64, &[0x62, 0xf2, 0x7d, 0x49, 0x92, 0x04, 0x88]),
            // tilezero %tmm0
            (64, &[0xc4, 0xe2, 0x7b, 0x49, 0xc0]),
        ];
        for (bits, bytes) in code {
            assert!(wide(bits, bytes), "{bytes:x?}");
        }
    }

    #[test]
    fn what_they_keep_is_not() {
        let code: [(u32, &[u8]); 6] = [
            // vpxor %ymm15, %ymm0, %ymm0
            (64, &[0xc4, 0xc1, 0x7d, 0xef, 0xc7]),
            // vgatherdps %ymm2, (%rax,%ymm1,4), %ymm0
            (64, &[0xc4, 0xe2, 0x6d, 0x92, 0x04, 0x88]),
            // vpxord %ymm0, %ymm0, %ymm0: of AVX-512, but with the registers of AVX
            (64, &[0x62, 0xf1, 0x7d, 0x28, 0xef, 0xc0]),
            // movups %xmm0, (%rax)
            (64, &[0x0f, 0x11, 0x00]),
            // bound %eax, (%eax)
            (32, &[0x62, 0x00]),
            // lds (%eax), %eax
            (32, &[0xc5, 0x00]),
        ];
        for (bits, bytes) in code {
            assert!(!wide(bits, bytes), "{bytes:x?}");
        }
    }
}
