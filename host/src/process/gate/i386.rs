// SPDX-License-Identifier: MIT OR Apache-2.0
//! Gate for 32-bit guests (System V ABI, i386 supplement, 3-12): entered from low memory by a far jump, already in 64-bit code.

use std::arch::global_asm;

use super::super::dispatch::dispatch;
use super::super::state::{self, STATE};
use super::{ALIGNMENT_CHECK, DEFAULT_MXCSR, act, frame, to_guest, to_host};

/// One gate: its name, and what it does with a float result.
macro_rules! gate {
    ($name:literal, $float_result:literal) => {
        global_asm!(
            ".pushsection pv_gates, \"ax\", @progbits",
            ".balign 64",
            concat!(".globl ", $name),
            concat!(".type ", $name, ", @function"),
            concat!($name, ":"),
            "cld",                                     // the ABI of what we call
            "movl %esp, %r10d",                        // the guest's stack; points to the return address
            "movq {state}+{host_stack}(%rip), %rsp",   // ours
            "subq ${size}, %rsp",
            "movq %rdi, {preserved}(%rsp)",            // our ABI does not preserve these two, the guest's does
            "movq %rsi, {preserved}+8(%rsp)",
            "movq %r10, {stack}(%rsp)",
            "movl %eax, {index}(%rsp)",                // from the stub
            to_host!(),
            "movl {index}(%rsp), %edi",
            "movq %rsp, %rsi",
            "call {dispatch}",
            act!(),
            to_guest!(),
            $float_result,
            "movl {result}(%rsp), %eax",               // 64-bit results are in edx:eax
            "movl {result}+4(%rsp), %edx",
            "movl {preserved}(%rsp), %edi",
            "movl {preserved}+8(%rsp), %esi",
            "movl {state}+{page}(%rip), %ecx",         // what the tail needs to deliver a line
            "movl {stack}(%rsp), %esp",
            "ljmpl *{state}+{tail}(%rip)",             // to 32-bit code
            concat!(".size ", $name, ", . - ", $name),
            ".popsection",
            state = sym STATE,
            dispatch = sym dispatch,
            default_mxcsr = sym DEFAULT_MXCSR,
            host_stack = const state::HOST_STACK,
            host_fs = const state::HOST_FS,
            page = const state::PAGE,
            tail = const state::TAIL_32,
            action = const state::ACTION,
            fsgsbase = const state::FSGSBASE,
            stop = const state::STOP,
            returning = const state::RETURNING,
            size = const frame::SIZE,
            stack = const frame::STACK,
            result = const frame::RESULT,
            float_result = const frame::FLOAT_RESULT,
            fs = const frame::FS,
            flags = const frame::FLAGS,
            mxcsr = const frame::MXCSR,
            alignment_check = const ALIGNMENT_CHECK,
            mxcsr_changed = const frame::MXCSR_CHANGED,
            index = const frame::INDEX,
            preserved = const frame::PRESERVED,
            options(att_syntax),
        );
    };
}

gate!("pv_gate_i386", "/* {float_result}: not a float */");
gate!("pv_gate_i386_floats", "fldl {float_result}(%rsp)");
