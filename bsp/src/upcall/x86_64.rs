// SPDX-License-Identifier: MIT OR Apache-2.0
//! Upcall entry on x86-64. Frame: rip, cs, rflags, rsp, ss (Intel SDM volume 3, 6.14.2).

use core::arch::global_asm;

use paravirt_abi::vcpu::{INTERRUPTS_ENABLED, PENDING};

use super::BODY;

/// Control word of the SSE unit at program start (System V ABI, 3.2.1): all exceptions masked, round to nearest.
pub(crate) static DEFAULT_MXCSR: u32 = 0x1f80;

global_asm!(
    ".pushsection .text.paravirt_upcall, \"ax\", @progbits",
    ".balign 16",
    ".globl __paravirt_upcall",
    ".type __paravirt_upcall, @function",
    "__paravirt_upcall:",
    "    pushq %rax",                            // two registers to look at the interrupted address with
    "    pushq %rcx",
    "    movq 16(%rsp), %rax",                   // interrupted rip
    "    leaq 5f(%rip), %rcx",                   // start of the window
    "    subq %rcx, %rax",                       // offset into the window, or huge
    "    cmpq $(7f - 5f), %rax",                 // inside it?
    "    popq %rcx",                             // (pop and push leave the flags alone)
    "    popq %rax",
    "    jae 2f",
    "    movq 24(%rsp), %rsp",                   // yes: the interrupted rsp is the outer frame; drop ours
    "2:  pushq %rax",                            // every general register, by value of the interrupted code
    "    pushq %rcx",
    "    pushq %rdx",
    "    pushq %rbx",
    "    pushq %rbp",
    "    pushq %rsi",
    "    pushq %rdi",
    "    pushq %r8",
    "    pushq %r9",
    "    pushq %r10",
    "    pushq %r11",
    "    pushq %r12",
    "    pushq %r13",
    "    pushq %r14",
    "    pushq %r15",
    "    cld",                                   // the ABI of what we call; iretq restores it
    "    movq %rsp, %rbp",                       // survives the call, finds the registers again
    "    subq $512, %rsp",                       // room for x87 and SSE state
    "    andq $-16, %rsp",                       // fxsave and the call want 16-byte alignment
    "    fxsave64 (%rsp)",
    "    fninit",                                // handlers start with the default control words
    "    ldmxcsr {mxcsr}(%rip)",
    "    call *{body}(%rip)",                       // runs handlers; returns with the flag off
    "    fxrstor64 (%rsp)",
    "    movq %rbp, %rsp",
    "    popq %r15",
    "    popq %r14",
    "    popq %r13",
    "    popq %r12",
    "    popq %r11",
    "    popq %r10",
    "    popq %r9",
    "    popq %r8",
    "    popq %rdi",
    "    popq %rsi",
    "    popq %rbp",
    "    popq %rbx",
    "    popq %rdx",
    "    popq %rcx",
    "    popq %rax",
    "    movl $1, __paravirt_vcpu + {enabled}(%rip)", // flag on; from here on we may be interrupted
    "__paravirt_upcall_window:",
    "5:  cmpl $0, __paravirt_vcpu + {pending}(%rip)", // did a line come while the flag was off?
    "    jne 6f",
    "    iretq",                                 // no: back, with the interrupted flags
    "6:  movl $0, __paravirt_vcpu + {enabled}(%rip)", // yes: flag off again and from the top, on the same frame
    "__paravirt_upcall_window_end:",
    "7:  jmp 2b",
    ".size __paravirt_upcall, . - __paravirt_upcall",
    ".popsection",
    mxcsr = sym DEFAULT_MXCSR,
    body = sym BODY,
    enabled = const INTERRUPTS_ENABLED,
    pending = const PENDING,
    options(att_syntax),
);
