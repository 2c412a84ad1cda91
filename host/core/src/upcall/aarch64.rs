// SPDX-License-Identifier: MIT OR Apache-2.0
//! On AArch64 the frame is that of a signal on Linux, with every register: what was interrupted is gone on with by
//! `rt_sigreturn`.

use core::mem::offset_of;
use core::slice;

use paravirt_abi::aarch64::{FPSIMD_MAGIC, UpcallFrame};
use paravirt_abi::signature::Width;

use super::push;
use crate::memory::GuestMemory;

/// The interrupted guest code: all of it goes into the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// Address of the next instruction.
    pub instruction: u64,
    /// Stack pointer.
    pub stack: u64,
    /// `PSTATE`, in the form of `SPSR_EL1`.
    pub flags: u64,
    /// `x0` to `x30`.
    pub general: [u64; 31],
    /// `v0` to `v31`.
    pub vectors: [u128; 32],
    /// Floating-point status.
    pub fpsr: u32,
    /// Floating-point control.
    pub fpcr: u32,
    /// Signals that are blocked while that code runs, in Linux' form; 0 where there is no Linux below.
    pub signal_mask: u64,
}

impl Interrupted {
    /// Writes the frame; its address, or `None` if the guest has no memory there.
    pub(super) fn push(&self, memory: &GuestMemory, _: Width) -> Option<u64> {
        let frame = UpcallFrame {
            signal: [0; 16],
            // A signal stack of no size is one that Linux does not take: the thread keeps its own.
            context: [0; 5],
            signal_mask: self.signal_mask,
            reserved: [0; 16],
            fault_address: 0,
            registers: self.general,
            sp: self.stack,
            pc: self.instruction,
            pstate: self.flags,
            padding: 0,
            magic: FPSIMD_MAGIC,
            size: RECORD as u32,
            fpsr: self.fpsr,
            fpcr: self.fpcr,
            vectors: self.vectors,
            end: [0; 2],
        };
        // SAFETY: a structure without padding, of plain numbers.
        let bytes = unsafe { slice::from_raw_parts((&raw const frame).cast::<u8>(), size_of::<UpcallFrame>()) };
        push(memory, self.stack & !15, bytes)
    }
}

/// Bytes of the record of floating-point state.
const RECORD: usize = offset_of!(UpcallFrame, end) - offset_of!(UpcallFrame, magic);
