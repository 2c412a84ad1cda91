// SPDX-License-Identifier: MIT OR Apache-2.0
//! The resolver's gates: a slot's first call in lazy mode.
//!
//! The guest's resolver thunk has pushed the address of the slot and then that of the symbol table entry. The gate keeps every
//! register of the guest but r11, fills the slot, drops the two words and goes on to the function's stub. No line is delivered
//! here: the stub leads to a gate, whose tail does it.

use std::arch::global_asm;
use std::mem::offset_of;

use super::super::dispatch::resolve;
use super::super::state::{self, STATE};
use super::{ALIGNMENT_CHECK, DEFAULT_MXCSR, Frame, act, frame, to_guest, to_host};

/// What the resolver's gate saves.
#[repr(C, align(16))]
pub(in crate::process) struct ResolverFrame {
    /// Stack pointer, fs base, control word; the result is the stub's address.
    pub(in crate::process) frame: Frame,
    /// rax, r10, rcx, rdx.
    registers: [u64; 4],
    /// xmm0 to xmm7, whole.
    vectors: [[u64; 2]; 8],
}

const REGISTERS: usize = offset_of!(ResolverFrame, registers);
const VECTORS: usize = offset_of!(ResolverFrame, vectors);

global_asm!(
    ".pushsection pv_gates, \"ax\", @progbits",
    ".globl pv_resolve_x86_64",
    ".type pv_resolve_x86_64, @function",
    "pv_resolve_x86_64:",
    "cld",                                     // the ABI of what we call
    "movq %rsp, %r11",                         // the guest's stack; the thunk needs r11 no more
    "movq {state}+{host_stack}(%rip), %rsp",   // ours
    "subq ${size}, %rsp",
    "movq %r11, {stack}(%rsp)",
    "movq %rax, {registers}(%rsp)",            // number of vector registers of a variadic call
    "movq %r10, {registers}+8(%rsp)",          // static chain
    "movq %rdi, {integers}(%rsp)",             // arguments in registers
    "movq %rsi, {integers}+8(%rsp)",
    "movq %rdx, {integers}+16(%rsp)",
    "movq %rcx, {integers}+24(%rsp)",
    "movq %r8, {integers}+32(%rsp)",
    "movq %r9, {integers}+40(%rsp)",
    "movaps %xmm0, {vectors}(%rsp)",
    "movaps %xmm1, {vectors}+16(%rsp)",
    "movaps %xmm2, {vectors}+32(%rsp)",
    "movaps %xmm3, {vectors}+48(%rsp)",
    "movaps %xmm4, {vectors}+64(%rsp)",
    "movaps %xmm5, {vectors}+80(%rsp)",
    "movaps %xmm6, {vectors}+96(%rsp)",
    "movaps %xmm7, {vectors}+112(%rsp)",
    to_host!(),
    "movq %rsp, %rdi",
    "call {resolve}",
    act!(),
    to_guest!(),
    "movaps {vectors}(%rsp), %xmm0",
    "movaps {vectors}+16(%rsp), %xmm1",
    "movaps {vectors}+32(%rsp), %xmm2",
    "movaps {vectors}+48(%rsp), %xmm3",
    "movaps {vectors}+64(%rsp), %xmm4",
    "movaps {vectors}+80(%rsp), %xmm5",
    "movaps {vectors}+96(%rsp), %xmm6",
    "movaps {vectors}+112(%rsp), %xmm7",
    "movq {integers}(%rsp), %rdi",
    "movq {integers}+8(%rsp), %rsi",
    "movq {integers}+16(%rsp), %rdx",
    "movq {integers}+24(%rsp), %rcx",
    "movq {integers}+32(%rsp), %r8",
    "movq {integers}+40(%rsp), %r9",
    "movq {registers}(%rsp), %rax",
    "movq {registers}+8(%rsp), %r10",
    "movq {result}(%rsp), %r11",               // the stub
    "movq {stack}(%rsp), %rsp",
    "leaq 16(%rsp), %rsp",                     // without the thunk's two words
    "jmpq *%r11",
    ".size pv_resolve_x86_64, . - pv_resolve_x86_64",

    ".globl pv_resolve_i386",
    ".type pv_resolve_i386, @function",
    "pv_resolve_i386:",
    "cld",                                     // the ABI of what we call
    "movl %esp, %r11d",                        // the guest's stack
    "movq {state}+{host_stack}(%rip), %rsp",   // ours
    "subq ${size}, %rsp",
    "movq %r11, {stack}(%rsp)",
    "movq %rax, {registers}(%rsp)",            // registers that a caller may pass arguments in
    "movq %rcx, {registers}+16(%rsp)",
    "movq %rdx, {registers}+24(%rsp)",
    "movq %rdi, {preserved}(%rsp)",            // our ABI does not preserve these two, the guest's does
    "movq %rsi, {preserved}+8(%rsp)",
    to_host!(),
    "movq %rsp, %rdi",
    "call {resolve}",
    act!(),
    to_guest!(),
    "movl {result}(%rsp), %eax",               // the stub
    "movl %eax, {state}+{target}(%rip)",
    "movl {registers}(%rsp), %eax",
    "movl {registers}+16(%rsp), %ecx",
    "movl {registers}+24(%rsp), %edx",
    "movl {preserved}(%rsp), %edi",
    "movl {preserved}+8(%rsp), %esi",
    "movl {stack}(%rsp), %esp",
    "leal 8(%rsp), %esp",                      // without the thunk's two words
    "ljmpl *{state}+{target}(%rip)",           // to 32-bit code
    ".size pv_resolve_i386, . - pv_resolve_i386",
    ".popsection",
    state = sym STATE,
    resolve = sym resolve,
    default_mxcsr = sym DEFAULT_MXCSR,
    host_stack = const state::HOST_STACK,
    host_fs = const state::HOST_FS,
    target = const state::TARGET_32,
    action = const state::ACTION,
    fsgsbase = const state::FSGSBASE,
    stop = const state::STOP,
    returning = const state::RETURNING,
    size = const size_of::<ResolverFrame>(),
    integers = const frame::INTEGERS,
    stack = const frame::STACK,
    result = const frame::RESULT,
    fs = const frame::FS,
    flags = const frame::FLAGS,
    mxcsr = const frame::MXCSR,
    alignment_check = const ALIGNMENT_CHECK,
    mxcsr_changed = const frame::MXCSR_CHANGED,
    preserved = const frame::PRESERVED,
    registers = const REGISTERS,
    vectors = const VECTORS,
    options(att_syntax),
);
