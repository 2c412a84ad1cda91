// SPDX-License-Identifier: MIT OR Apache-2.0
//! ELF entry point on x86-64.

use super::enter;

asm_function! {
    weak "_start", align: 1; // a C library's, in tests of this crate, wins
    ".globl paravirt_start", // the same place, for a host library that has a `_start` of its own
    "paravirt_start:",
    "    .cfi_startproc",
    "    .cfi_undefined rip",              // nobody called it
    "    cld",                             // the ABI of what we call
    "    movl %eax, %edi",                 // magic; a host that sets it sets the lower half
    "    movq %rdx, %rsi",                 // address of the start info
    "    movq %rsp, %rdx",                 // stack of whoever entered: Linux passes argc and argv there
    "    leaq __stack_end(%rip), %rsp",    // the image's own stack
    "    xorl %ebp, %ebp",                 // end of the chain of frames
    "    call {enter}",                    // does not return
    "    ud2",
    "    .cfi_endproc";
    enter = sym enter,
    options(att_syntax),
}
