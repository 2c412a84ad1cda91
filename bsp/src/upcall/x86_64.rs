// SPDX-License-Identifier: MIT OR Apache-2.0
//! Upcall entry on x86-64. Frame: rip, cs, rflags, rsp, ss (Intel SDM volume 3, 6.14.2).

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

/// Begins code that is entered with an interrupt's frame at the stack pointer: who walks the stack goes on with the
/// interrupted code.
macro_rules! interrupt_frame {
    () => {
        concat!(
            ".cfi_startproc simple\n",
            ".cfi_signal_frame\n",
            ".cfi_def_cfa rsp, 40\n", // above the frame; the interrupted stack pointer is in it
            ".cfi_offset rip, -40\n",
            ".cfi_offset rflags, -24\n",
            ".cfi_offset rsp, -16\n",
        )
    };
}

asm_function! {
    "__paravirt_deliver", align: 16; // a call, which keeps what calls keep: handlers begin as in an upcall
    "    .cfi_startproc",
    "    subq $40, %rsp",                       // room for the words below; the call wants 16-byte alignment
    "    .cfi_adjust_cfa_offset 40",
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
    "    .cfi_adjust_cfa_offset -40",
    "    ret",
    "    .cfi_endproc";
    mxcsr = sym DEFAULT_MXCSR,
    body = sym BODY,
    enabled = const INTERRUPTS_ENABLED,
    pending = const PENDING,
    options(att_syntax),
}

asm_function! {
    global "__paravirt_upcall", align: 16;
    interrupt_frame!(),
    push!(rax rcx),                              // two registers to look at the interrupted address with
    "    movq 16(%rsp), %rax",                   // interrupted rip
    "    leaq 5f(%rip), %rcx",                   // start of the window
    "    subq %rcx, %rax",                       // offset into the window, or huge
    "    cmpq $(7f - 5f), %rax",                 // inside it?
    pop!(rcx rax),                               // (pop and push leave the flags alone)
    "    jae 2f",
    "    movq 24(%rsp), %rsp",                   // yes: the interrupted rsp is the outer frame; drop ours
    "2:",
    push!(rax rcx rdx rbx rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15), // every one, by value of the interrupted code
    "    cld",                                   // the ABI of what we call; iretq restores it
    "    movq %rsp, %rbp",                       // survives the call, finds the registers again
    "    .cfi_def_cfa_register rbp",
    save_state!(),
    "    call *{body}(%rip)",                    // runs handlers; returns with the flag off
    restore_state!(),
    "    movq %rbp, %rsp",
    "    .cfi_def_cfa_register rsp",
    pop!(r15 r14 r13 r12 r11 r10 r9 r8 rdi rsi rbp rbx rdx rcx rax),
    "    movl $1, __paravirt_vcpu + {enabled}(%rip)", // flag on; from here on we may be interrupted
    "__paravirt_upcall_window:",
    "5:  cmpl $0, __paravirt_vcpu + {pending}(%rip)", // did a line come while the flag was off?
    "    jne 6f",
    "    iretq",                                 // no: back, with the interrupted flags
    "6:  movl $0, __paravirt_vcpu + {enabled}(%rip)", // yes: flag off again and from the top, on the same frame
    "__paravirt_upcall_window_end:",
    "7:  jmp 2b",
    "    .cfi_endproc";
    mxcsr = sym DEFAULT_MXCSR,
    components = sym COMPONENTS,
    body = sym BODY,
    enabled = const INTERRUPTS_ENABLED,
    pending = const PENDING,
    options(att_syntax),
}
