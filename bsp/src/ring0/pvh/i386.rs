// SPDX-License-Identifier: MIT OR Apache-2.0
//! Flat protected mode as the loader set it up, with our own segments. No paging.

use super::super::descriptor::{CODE, DATA, SEGMENTS};
use super::entered;

asm_function! {
    "__paravirt_pvh", align: 1;
    "    .cfi_startproc",
    "    .cfi_undefined eip",                 // nobody called it
    "    cld",                                // the ABI of what we call
    "    movl $__stack_end, %esp",            // the image's own stack
    "    lgdt 4f",
    "    ljmp ${code}, $2f",
    "2:  movl ${data}, %eax",
    "    movl %eax, %ds",
    "    movl %eax, %es",
    "    movl %eax, %ss",
    "    xorl %eax, %eax",
    "    movl %eax, %fs",
    "    movl %eax, %gs",                     // until thread-local storage is set
    "    movl %cr4, %eax",
    "    orl $0x600, %eax",                   // SSE, with its exceptions: fxsave saves it, and C code may use it
    "    movl %eax, %cr4",
    "    movl %cr0, %eax",
    "    andl $~0xc, %eax",                   // the floating-point unit is there and holds this code's state,
    "    orl $0x22, %eax",                    // and reports errors as exceptions
    "    movl %eax, %cr0",
    "    fninit",                             // default control word
    "    xorl %ebp, %ebp",                    // end of the chain of frames
    "    subl $12, %esp",                     // with one word of arguments: aligned to 16 bytes at the call
    "    pushl %ebx",                         // address of the loader's start info
    "    call {entered}",                     // does not return
    "    ud2",
    "    .cfi_endproc",
    ".pushsection .rodata.paravirt_pvh, \"a\", @progbits",
    ".balign 4",
    "4:  .word 4 * 8 - 1",                    // limit of the segments' table
    "    .long {segments}",
    ".popsection";
    segments = sym SEGMENTS,
    code = const CODE,
    data = const DATA,
    entered = sym entered,
    options(att_syntax),
}
