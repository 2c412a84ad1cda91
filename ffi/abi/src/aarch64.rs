// SPDX-License-Identifier: MIT OR Apache-2.0
//! What version 1 adds for AArch64 alone.

/// What the stack holds when a host enters the upcall entry at EL0: the frame of a signal on Linux, as `rt_sigreturn`
/// takes it, with every register of the interrupted code (`struct rt_sigframe`: `arch/arm64/kernel/signal.c`,
/// `include/uapi/asm-generic/{siginfo,ucontext}.h`, `arch/arm64/include/uapi/asm/sigcontext.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct UpcallFrame {
    /// Linux' `siginfo_t`; nobody looks at it.
    pub signal: [u64; 16],
    /// Linux' `uc_flags`, `uc_link` and `uc_stack`, 0.
    pub context: [u64; 5],
    /// Signals that are blocked after the return, in Linux' form.
    pub signal_mask: u64,
    /// Room that Linux leaves for more signals, 0.
    pub reserved: [u64; 16],
    /// Linux' `fault_address`; nobody looks at it.
    pub fault_address: u64,
    /// `x0` to `x30`.
    pub registers: [u64; 31],
    /// Interrupted stack pointer.
    pub sp: u64,
    /// Address of the interrupted instruction.
    pub pc: u64,
    /// Interrupted flags (`PSTATE`, in the form of `SPSR_EL1`).
    pub pstate: u64,
    /// To a multiple of 16.
    pub padding: u64,
    /// Of the record of floating-point state: [`FPSIMD_MAGIC`].
    pub magic: u32,
    /// Of the record: 528, its size.
    pub size: u32,
    /// Floating-point status.
    pub fpsr: u32,
    /// Floating-point control.
    pub fpcr: u32,
    /// `v0` to `v31`.
    pub vectors: [u128; 32],
    /// The record behind the last one: 0, 0.
    pub end: [u64; 2],
}

/// Linux' `FPSIMD_MAGIC`.
pub const FPSIMD_MAGIC: u32 = 0x4650_8001;
/// Number of the system call by which an AArch64 guest at EL0 returns from an upcall, in `x8` at `svc #0`.
pub const RT_SIGRETURN: u32 = 139;

const _: () = {
    assert!(size_of::<UpcallFrame>() == 1136);
    assert!(core::mem::offset_of!(UpcallFrame, signal_mask) == 168);
    assert!(core::mem::offset_of!(UpcallFrame, fault_address) == 304);
    assert!(core::mem::offset_of!(UpcallFrame, sp) == 560);
    assert!(core::mem::offset_of!(UpcallFrame, magic) == 592);
    assert!(core::mem::offset_of!(UpcallFrame, end) == 1120);
};
