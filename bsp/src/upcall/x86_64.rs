// SPDX-License-Identifier: MIT OR Apache-2.0
//! Upcall entry on x86-64. Frame: rip, cs, rflags, rsp, ss (Intel SDM volume 3, 6.14.2).

use core::arch::global_asm;

use paravirt_abi::vcpu::{INTERRUPTS_ENABLED, PENDING};

use super::{BODY, COMPONENTS, DEFAULT_MXCSR};

/// Puts x87, SSE and, where it is on, AVX state on the stack, which it aligns, and goes on with the state of a
/// program's start. Changes rax, rdx and rsp; needs `components` and `mxcsr`.
///
/// The area is that of `xsave` (Intel SDM volume 1, 13.4): 512 bytes as `fxsave` has them, a header of 64, of which
/// `xrstor` wants the first 24 zeroed before, 256 for AVX.
macro_rules! save_state {
    () => {
        concat!(
            "andq $-64, %rsp\n",
            "movl {components}(%rip), %eax\n",
            "testb $4, %al\n", // AVX?
            "jz 81f\n",
            "subq $(256 + 40), %rsp\n",
            "xorl %edx, %edx\n",
            "pushq %rdx\n",
            "pushq %rdx\n",
            "pushq %rdx\n",
            "81: subq $512, %rsp\n",
            "testb $4, %al\n",
            "jz 82f\n",
            "xsave64 (%rsp)\n", // the components in edx:eax
            "jmp 83f\n",
            "82: fxsave64 (%rsp)\n",
            "83: fninit\n",
            "ldmxcsr {mxcsr}(%rip)\n",
        )
    };
}

/// Loads what `save_state` left at the stack pointer. Changes rax and rdx.
macro_rules! restore_state {
    () => {
        concat!(
            "movl {components}(%rip), %eax\n",
            "testb $4, %al\n",
            "jz 84f\n",
            "xorl %edx, %edx\n",
            "xrstor64 (%rsp)\n",
            "jmp 85f\n",
            "84: fxrstor64 (%rsp)\n",
            "85:\n",
        )
    };
}

global_asm!(
    ".pushsection .text.paravirt_upcall, \"ax\", @progbits",
    ".balign 16",
    ".globl __paravirt_deliver",
    ".hidden __paravirt_deliver",
    ".type __paravirt_deliver, @function",
    "__paravirt_deliver:",                      // a call, which keeps what calls keep: handlers begin as in an upcall
    "    subq $40, %rsp",                       // room for the words below; the call wants 16-byte alignment
    "    fnstenv (%rsp)",                       // control word and exception flags of x87, 28 bytes,
    "    stmxcsr 32(%rsp)",                     // and of SSE
    "8:  movl $0, __paravirt_vcpu + {enabled}(%rip)",
    "    fninit",                               // the control words that handlers begin with
    "    ldmxcsr {mxcsr}(%rip)",
    "    call *{body}(%rip)",                   // runs handlers; returns with the flag off
    "    movl $1, __paravirt_vcpu + {enabled}(%rip)",
    "    cmpl $0, __paravirt_vcpu + {pending}(%rip)", // did a line come while the flag was off?
    "    jne 8b",
    "    ldmxcsr 32(%rsp)",
    "    fldenv (%rsp)",
    "    addq $40, %rsp",
    "    ret",
    ".size __paravirt_deliver, . - __paravirt_deliver",
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
    save_state!(),
    "    call *{body}(%rip)",                    // runs handlers; returns with the flag off
    restore_state!(),
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
    components = sym COMPONENTS,
    body = sym BODY,
    enabled = const INTERRUPTS_ENABLED,
    pending = const PENDING,
    options(att_syntax),
);
