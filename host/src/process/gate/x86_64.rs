// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gate for 64-bit guests (System V ABI, AMD64 supplement, 3.2).

use std::arch::global_asm;

use super::super::dispatch::dispatch;
use super::super::state::{self, STATE};
use super::{ALIGNMENT_CHECK, DEFAULT_MXCSR, act, frame, to_guest, to_host};

/// One gate: its name, and what it does with floats on the way in and on the way out.
macro_rules! gate {
    ($name:literal, $floats:literal, $float_result:literal) => {
        global_asm!(
            ".pushsection pv_gates, \"ax\", @progbits",
            ".balign 64",
            concat!(".globl ", $name),
            concat!(".type ", $name, ", @function"),
            concat!($name, ":"),
            "cld",                                     // the ABI of what we call
            "movq %rsp, %r10",                         // the guest's stack; points to the return address
            "movq {state}+{host_stack}(%rip), %rsp",   // ours
            "subq ${size}, %rsp",
            "movq %rdi, {integers}(%rsp)",             // arguments in registers
            "movq %rsi, {integers}+8(%rsp)",
            "movq %rdx, {integers}+16(%rsp)",
            "movq %rcx, {integers}+24(%rsp)",
            "movq %r8, {integers}+32(%rsp)",
            "movq %r9, {integers}+40(%rsp)",
            $floats,
            "movq %r10, {stack}(%rsp)",
            "movl %r11d, {index}(%rsp)",               // from the stub
            to_host!(),
            "movl {index}(%rsp), %edi",
            "movq %rsp, %rsi",
            "call {dispatch}",
            act!(),
            to_guest!(),
            "movq {result}(%rsp), %rax",
            $float_result,
            "movq {state}+{upcalls}(%rip), %rsi",      // what the tail needs to deliver a line
            "movq {state}+{page}(%rip), %rcx",
            "movq {stack}(%rsp), %rsp",
            "jmpq *{state}+{tail}(%rip)",
            concat!(".size ", $name, ", . - ", $name),
            ".popsection",
            state = sym STATE,
            dispatch = sym dispatch,
            default_mxcsr = sym DEFAULT_MXCSR,
            host_stack = const state::HOST_STACK,
            host_fs = const state::HOST_FS,
            page = const state::PAGE,
            tail = const state::TAIL_64,
            upcalls = const state::UPCALLS,
            action = const state::ACTION,
            fsgsbase = const state::FSGSBASE,
            stop = const state::STOP,
            returning = const state::RETURNING,
            size = const frame::SIZE,
            integers = const frame::INTEGERS,
            stack = const frame::STACK,
            result = const frame::RESULT,
            float_result = const frame::FLOAT_RESULT,
            fs = const frame::FS,
            flags = const frame::FLAGS,
            mxcsr = const frame::MXCSR,
            alignment_check = const ALIGNMENT_CHECK,
            mxcsr_changed = const frame::MXCSR_CHANGED,
            index = const frame::INDEX,
            floats = const frame::FLOATS,
            options(att_syntax),
        );
    };
}

gate!(
    "pv_gate_x86_64",
    "/* {floats} {float_result}: no floats in the prototype */",
    ""
);
gate!(
    "pv_gate_x86_64_floats",
    "movq %xmm0, {floats}(%rsp)
    movq %xmm1, {floats}+8(%rsp)
    movq %xmm2, {floats}+16(%rsp)
    movq %xmm3, {floats}+24(%rsp)
    movq %xmm4, {floats}+32(%rsp)
    movq %xmm5, {floats}+40(%rsp)
    movq %xmm6, {floats}+48(%rsp)
    movq %xmm7, {floats}+56(%rsp)",
    "movq {float_result}(%rsp), %xmm0"
);
