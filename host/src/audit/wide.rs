// SPDX-License-Identifier: MIT OR Apache-2.0
//! Code that uses more of the processor's state than an upcall keeps.
//!
//! An upcall keeps x87, SSE and AVX state, on AArch64 that of Advanced SIMD (`paravirt_bsp::upcall`). What is wider, a
//! handler would change under the hands of the code that it interrupts, and nobody would be told: `vzeroupper` is
//! enough, and every instruction of AVX, or of Advanced SIMD where there is SVE, clears what lies above its result. No
//! note of an ELF file says reliably what its code uses, since most compilers and assemblers write none. So the code is
//! looked at.

use super::code::{self, Part, Piece};
use super::{Architecture, Decoded, aarch64, x86};
use crate::image::{Image, Machine};

/// What is wrong with the state that an image's code uses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateProblem {
    /// An upcall does not keep it.
    #[error(
        "{function} uses {state} state at {address:#x} (`{disassembly}`), of which nothing survives an interrupt; \
        build its code {remedy}"
    )]
    Wide {
        /// The function, as in [`Finding`](super::Finding).
        function: String,
        /// Address of the first such instruction.
        address: u64,
        /// The instruction, in the notation of the GNU assembler.
        disassembly: String,
        /// Of which extensions of the processor, in words.
        state: &'static str,
        /// How to build code without them, in words.
        remedy: &'static str,
    },
    /// Nobody knows.
    #[error(
        "whether its code uses {0} state, since no function with a symbol and a size could be decoded; link it \
        with its symbols and with sections of their own for code"
    )]
    Unknown(&'static str),
}

/// Looks for code that uses state which upcalls do not keep: on x86 that of AVX-512 and AMX, on AArch64 that of SVE
/// and SME. Code is what [`audit`](super::audit()) takes for it, and is decoded in the same way; but data among it,
/// decoded, looks like any instruction, and a sound image is not to be refused for it. So only what lies in a
/// function, by a symbol with a size, is judged, and from one symbol to the next only if all of it can be decoded. Of
/// other architectures no such state is known.
///
/// # Errors
/// The first such instruction; or that there was nothing to judge.
pub fn check_state(image: &Image) -> Result<(), StateProblem> {
    match image.machine() {
        Machine::I386 => check(image, x86::X86::new(32)),
        Machine::X86_64 => check(image, x86::X86::new(64)),
        Machine::Aarch64 => check(image, aarch64::Aarch64),
        Machine::Arm | Machine::Riscv64 => Ok(()),
    }
}

fn check<A: Architecture>(image: &Image, mut architecture: A) -> Result<(), StateProblem> {
    let mut known = false;
    code::walk(image, &mut |part| match part {
        Part::Code(piece) if piece.in_function => {
            known |= check_piece(&piece, &mut architecture)?;
            Ok(())
        }
        _ => Ok(()),
    })?;
    if known {
        Ok(())
    } else {
        Err(StateProblem::Unknown(A::WIDE_STATE))
    }
}

/// Returns whether all of the piece could be decoded, so that it was judged.
fn check_piece<A: Architecture>(piece: &Piece<'_>, architecture: &mut A) -> Result<bool, StateProblem> {
    let mut wide = None;
    for Decoded {
        address, instruction, ..
    } in architecture.decode(piece)
    {
        let Some(instruction) = instruction else {
            return Ok(false);
        };
        if wide.is_none() && A::is_wide(&instruction) {
            wide = Some((address, instruction));
        }
    }
    let Some((address, instruction)) = wide else {
        return Ok(true);
    };
    Err(StateProblem::Wide {
        function: piece.function.to_string(),
        address,
        disassembly: architecture.disassemble(&instruction),
        state: A::WIDE_STATE,
        remedy: A::WIDE_REMEDY,
    })
}
