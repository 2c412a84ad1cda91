// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the stack holds when a host enters the guest's upcall entry: on x86 the frame that the processor itself pushes
//! for an interrupt. AArch64's is in [`crate::aarch64`].
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

const _: () = assert!(size_of::<FrameI386>() == 12 && size_of::<FrameX86_64>() == 40);
