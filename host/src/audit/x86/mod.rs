// SPDX-License-Identifier: MIT OR Apache-2.0
//! Code for i386 and x86-64.

mod classify;
mod wide;

use iced_x86::{Decoder, DecoderOptions, Formatter, GasFormatter, Instruction};

use super::class::Classified;
use super::code::Piece;
use super::{Architecture, Decoded};
use classify::Classifier;

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
        wide::is_wide(instruction)
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
