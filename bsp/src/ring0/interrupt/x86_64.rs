// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupt entries on x86-64. Frame: rip, cs, rflags, rsp, ss (Intel SDM volume 3, 6.14.2).

use core::arch::global_asm;

use super::{COUNT, FIRST, STRIDE, take};
use crate::upcall::{COMPONENTS, DEFAULT_MXCSR, restore_state, save_state};

global_asm!(
    ".pushsection .text.paravirt_interrupts, \"ax\", @progbits",
    ".balign 16",
    ".globl __paravirt_interrupts",
    ".hidden __paravirt_interrupts",
    ".type __paravirt_interrupts, @function",
    "__paravirt_interrupts:",
    ".set .Lvector, {first}",
    ".rept {count}",
    "    pushq %rax",                     // room for the vector's number
    "    movl $.Lvector, %eax",
    "    jmp 1f",
    ".balign {stride}",
    ".set .Lvector, .Lvector + 1",
    ".endr",
    "1:  pushq %rcx",                     // every register that a C function may change
    "    pushq %rdx",
    "    pushq %rsi",
    "    pushq %rdi",
    "    pushq %r8",
    "    pushq %r9",
    "    pushq %r10",
    "    pushq %r11",
    "    pushq %rbp",                     // this one it keeps, to find the others again
    "    movq %rsp, %rbp",
    "    cld",                            // the ABI of what we call; iretq restores it
    "    pushq %rax",                     // room for the result
    "    movl %eax, %edi",                // the vector
    "    leaq 96(%rbp), %rsi",            // above ten registers, rip and cs: the flags in the frame
    save_state!(),                        // with the state that Rust expects
    "    call {take}",
    "    movb %al, -8(%rbp)",
    restore_state!(),
    "    testb $1, -8(%rbp)",             // where to? (mov and pop leave the flags alone)
    "    movq %rbp, %rsp",
    "    popq %rbp",
    "    popq %r11",
    "    popq %r10",
    "    popq %r9",
    "    popq %r8",
    "    popq %rdi",
    "    popq %rsi",
    "    popq %rdx",
    "    popq %rcx",
    "    popq %rax",
    "    jnz __paravirt_upcall",          // on the frame as the processor left it
    "    iretq",
    ".size __paravirt_interrupts, . - __paravirt_interrupts",
    ".popsection",
    first = const FIRST,
    count = const COUNT,
    stride = const STRIDE,
    components = sym COMPONENTS,
    mxcsr = sym DEFAULT_MXCSR,
    take = sym take,
    options(att_syntax),
);
