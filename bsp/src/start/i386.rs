// SPDX-License-Identifier: MIT OR Apache-2.0
//! ELF entry point on i386.

use super::enter;

asm_function! {
    weak "_start", align: 1; // a C library's, in tests of this crate, wins
    ".globl paravirt_start", // the same place, for a host library that has a `_start` of its own
    "paravirt_start:",
    "    .cfi_startproc",
    "    .cfi_undefined eip",              // nobody called it
    "    cld",                             // the ABI of what we call
    "    movl %esp, %ecx",                 // stack of whoever entered: Linux passes argc and argv there
    "    movl $__stack_end, %esp",         // the image's own stack
    "    xorl %ebp, %ebp",                 // end of the chain of frames
    "    pushl %ebp",                      // 4 + 3 words of arguments: aligned to 16 bytes at the call
    "    pushl %ecx",
    "    pushl %edx",                      // address of the start info
    "    pushl %eax",                      // magic
    "    call {enter}",                    // does not return
    "    ud2",
    "    .cfi_endproc";
    enter = sym enter,
    options(att_syntax),
}
