// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupt entries on i386. Frame: eip, cs, eflags, as there is no change of privilege (Intel SDM volume 3, 6.12.1).

use super::{COUNT, FIRST, STRIDE, take};
use crate::upcall::{COMPONENTS, DEFAULT_MXCSR, interrupt_frame, restore_state, save_state};

asm_function! {
    "__paravirt_interrupts", align: 16;
    interrupt_frame!(),
    ".set .Lvector, {first}",
    ".rept {count}",
    "    .cfi_def_cfa_offset 12",
    push!(eax),                           // room for the vector's number
    "    movl $.Lvector, %eax",
    "    jmp 1f",
    ".balign {stride}",
    ".set .Lvector, .Lvector + 1",
    ".endr",
    "1:",
    push!(ecx edx),                       // every register that a C function may change
    push!(ebp),                           // this one it keeps, to find the others again
    "    movl %esp, %ebp",
    "    .cfi_def_cfa_register ebp",
    "    cld",                            // the ABI of what we call; iret restores it
    "    pushl %eax",                     // the vector
    "    leal 24(%ebp), %ecx",            // above four registers, eip and cs: the flags in the frame
    save_state!(),                        // with the state that Rust expects
    "    subl $8, %esp",                  // with two words of arguments: aligned to 16 bytes at the call
    "    pushl %ecx",
    "    pushl -4(%ebp)",
    "    call {take}",
    "    movb %al, -4(%ebp)",
    "    addl $16, %esp",
    restore_state!(),
    "    testb $1, -4(%ebp)",             // where to? (mov and pop leave the flags alone)
    "    movl %ebp, %esp",
    "    .cfi_def_cfa_register esp",
    pop!(ebp edx ecx eax),
    "    jnz __paravirt_upcall",          // on the frame as the processor left it
    "    iretl",
    "    .cfi_endproc";
    first = const FIRST,
    count = const COUNT,
    stride = const STRIDE,
    components = sym COMPONENTS,
    mxcsr = sym DEFAULT_MXCSR,
    take = sym take,
    options(att_syntax),
}
