// SPDX-License-Identifier: MIT OR Apache-2.0
//! Code that uses more of the processor's state than an upcall keeps.
//!
//! An upcall keeps x87, SSE and AVX state (`paravirt_bsp::upcall`). What is wider, a handler would change under the
//! hands of the code that it interrupts, and nobody would be told: `vzeroupper` is enough, and every instruction of AVX
//! clears what lies above its result. No note of an ELF file says reliably what its code uses, since most compilers and
//! assemblers write none. So the code is looked at.

use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, Register};

use super::code::{self, Part, Piece};
use super::formatter;
use crate::image::{Image, Machine};

/// What is wrong with the state that an image's code uses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateProblem {
    /// An upcall does not keep it.
    #[error(
        "{function} uses AVX-512 or AMX state at {address:#x} (`{disassembly}`), of which nothing survives an \
        interrupt; build its code for x86-64-v3 at most, without -mavx512* and -mamx*"
    )]
    Wide {
        /// The function, as in [`Finding`](super::Finding).
        function: String,
        /// Address of the first such instruction.
        address: u64,
        /// The instruction, in AT&T syntax.
        disassembly: String,
    },
    /// Nobody knows.
    #[error(
        "whether its code uses AVX-512 or AMX state, since no function with a symbol and a size could be decoded; link \
        it with its symbols and with sections of their own for code"
    )]
    Unknown,
}

/// The registers 16 to 31 of SSE and AVX came with AVX-512.
const NARROW_REGISTERS: usize = 16;

/// Looks for code of an x86 image that uses AVX-512 or AMX state. Code is what [`audit`](super::audit()) takes for it,
/// and is decoded in the same way; but data among it, decoded, looks like any instruction, and a sound image is not to
/// be refused for it. So only what lies in a function, by a symbol with a size, is judged, and from one symbol to the
/// next only if all of it can be decoded.
///
/// It is the registers that are looked at. An instruction of AVX-512 that gets by with those of AVX loses nothing in an
/// upcall.
///
/// # Errors
/// The first such instruction; or that there was nothing to judge.
pub fn check_state(image: &Image) -> Result<(), StateProblem> {
    let bits = match image.machine() {
        Machine::I386 => 32,
        Machine::X86_64 => 64,
        _ => return Ok(()),
    };
    let mut known = false;
    code::walk(image, &mut |part| match part {
        Part::Code(piece) if piece.in_function => {
            known |= check_piece(&piece, bits)?;
            Ok(())
        }
        _ => Ok(()),
    })?;
    if known { Ok(()) } else { Err(StateProblem::Unknown) }
}

/// Returns whether all of the piece could be decoded, so that it was judged.
fn check_piece(piece: &Piece<'_>, bits: u32) -> Result<bool, StateProblem> {
    let mut wide = None;
    let mut decoder = Decoder::with_ip(bits, piece.bytes, piece.address, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        if instruction.is_invalid() {
            return Ok(false);
        }
        if wide.is_none() && is_wide(&instruction) {
            wide = Some(instruction);
        }
    }
    let Some(instruction) = wide else {
        return Ok(true);
    };
    let mut disassembly = String::new();
    formatter().format(&instruction, &mut disassembly);
    Err(StateProblem::Wide {
        function: piece.function.to_string(),
        address: instruction.ip(),
        disassembly,
    })
}

/// Returns whether the instruction names a register that is no part of x87, SSE and AVX state.
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
