// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the stack holds when a host enters the guest's upcall entry: on x86 the frame that the processor itself pushes
//! for an interrupt, on AArch64, where it pushes none, that of a signal on Linux.
//!
//! The stack pointer points to the first field. A host that can, leaves [`crate::vcpu::RED_ZONE`] bytes below the
//! interrupted stack pointer alone on x86-64, and aligns the end of the frame there to 16 bytes, as the processor does.

/// i386, no change of privilege (Intel SDM volume 3, 6.12.1). The interrupted stack pointer is the frame's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FrameI386 {
    /// Address of the interrupted instruction.
    pub eip: u32,
    /// Interrupted code selector.
    pub cs: u32,
    /// Interrupted flags.
    pub eflags: u32,
}

/// x86-64 (Intel SDM volume 3, 6.14.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FrameX86_64 {
    /// Address of the interrupted instruction.
    pub rip: u64,
    /// Interrupted code selector.
    pub cs: u64,
    /// Interrupted flags.
    pub rflags: u64,
    /// Interrupted stack pointer.
    pub rsp: u64,
    /// Interrupted stack selector.
    pub ss: u64,
}

/// AArch64, at EL0: the frame of a signal on Linux (`struct rt_sigframe`: `arch/arm64/kernel/signal.c`,
/// `include/uapi/asm-generic/{siginfo,ucontext}.h`, `arch/arm64/include/uapi/asm/sigcontext.h`), as `rt_sigreturn` takes
/// it, with every register of the interrupted code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(16))]
pub struct FrameAarch64 {
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
    assert!(size_of::<FrameAarch64>() == 1136);
    assert!(core::mem::offset_of!(FrameAarch64, signal_mask) == 168);
    assert!(core::mem::offset_of!(FrameAarch64, fault_address) == 304);
    assert!(core::mem::offset_of!(FrameAarch64, sp) == 560);
    assert!(core::mem::offset_of!(FrameAarch64, magic) == 592);
    assert!(core::mem::offset_of!(FrameAarch64, end) == 1120);
};

const _: () = assert!(size_of::<FrameI386>() == 12 && size_of::<FrameX86_64>() == 40);
