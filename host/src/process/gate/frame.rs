// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a gate saves of the guest on the host's stack.

use std::mem::offset_of;

/// The guest's registers during a call of a host function.
#[repr(C, align(16))]
pub(in crate::process) struct Frame {
    /// x86-64: rdi, rsi, rdx, rcx, r8, r9.
    pub(in crate::process) integers: [u64; 6],
    /// The guest's stack pointer; it points to the return address.
    pub(in crate::process) stack: u64,
    /// Result, for rax or edx:eax.
    pub(in crate::process) result: u64,
    /// Result of a function that returns a float, for xmm0 or st0.
    pub(in crate::process) float_result: u64,
    /// The guest's fs base.
    pub(in crate::process) fs: u64,
    /// The guest's flags.
    flags: u64,
    /// The guest's SSE control word.
    mxcsr: u32,
    /// Whether the gate had to load the host's.
    mxcsr_changed: u32,
    /// Index of the function.
    index: u64,
    /// i386: edi, esi, which its ABI preserves and ours does not.
    preserved: [u64; 2],
    /// x86-64: xmm0 to xmm7, low halves; saved for functions whose prototype has floats.
    pub(in crate::process) floats: [u64; 8],
}

pub(super) const SIZE: usize = size_of::<Frame>();
pub(super) const INTEGERS: usize = offset_of!(Frame, integers);
pub(super) const STACK: usize = offset_of!(Frame, stack);
pub(super) const RESULT: usize = offset_of!(Frame, result);
pub(super) const FLOAT_RESULT: usize = offset_of!(Frame, float_result);
pub(super) const FS: usize = offset_of!(Frame, fs);
pub(super) const FLAGS: usize = offset_of!(Frame, flags);
pub(super) const MXCSR: usize = offset_of!(Frame, mxcsr);
pub(super) const MXCSR_CHANGED: usize = offset_of!(Frame, mxcsr_changed);
pub(super) const INDEX: usize = offset_of!(Frame, index);
pub(super) const PRESERVED: usize = offset_of!(Frame, preserved);
pub(super) const FLOATS: usize = offset_of!(Frame, floats);

const _: () = assert!(SIZE.is_multiple_of(16), "the stack stays aligned");
