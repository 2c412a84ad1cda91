// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupt entries on x86-64. Frame: rip, cs, rflags, rsp, ss (Intel SDM volume 3, 6.14.2).

use super::{COUNT, FIRST, STRIDE, take};
use crate::upcall::{COMPONENTS, DEFAULT_MXCSR, interrupt_frame, restore_state, save_state};

asm_function! {
    "__paravirt_interrupts", align: 16;
    interrupt_frame!(),
    ".set .Lvector, {first}",
    ".rept {count}",
    "    .cfi_def_cfa_offset 40",
    push!(rax),                           // room for the vector's number
    "    movl $.Lvector, %eax",
    "    jmp 1f",
    ".balign {stride}",
    ".set .Lvector, .Lvector + 1",
    ".endr",
    "1:",
    push!(rcx rdx rsi rdi r8 r9 r10 r11), // every register that a C function may change
    push!(rbp),                           // this one it keeps, to find the others again
    "    movq %rsp, %rbp",
    "    .cfi_def_cfa_register rbp",
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
    "    .cfi_def_cfa_register rsp",
    pop!(rbp r11 r10 r9 r8 rdi rsi rdx rcx rax),
    "    jnz __paravirt_upcall",          // on the frame as the processor left it
    "    iretq",
    "    .cfi_endproc";
    first = const FIRST,
    count = const COUNT,
    stride = const STRIDE,
    components = sym COMPONENTS,
    mxcsr = sym DEFAULT_MXCSR,
    take = sym take,
    options(att_syntax),
}
