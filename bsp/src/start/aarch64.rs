// SPDX-License-Identifier: MIT OR Apache-2.0
//! ELF entry point on AArch64.
//!
//! A program may not ask at which exception level it runs, so the registers tell. Linux enters a program with 0 in `x0`
//! and on a stack. The boot protocol of AArch64 has a device tree's address in `x0`, and says nothing of the stack
//! pointer: boot loaders leave their own. QEMU enters an ELF file with 0 in both.

use paravirt_abi::start::MAGIC;

use super::enter;

/// In an image that has something for EL1: whoever is no program goes on there.
#[cfg(feature = "el1")]
macro_rules! out_of_reset {
    () => {
        "cbnz x0, __paravirt_el1\n\
         mov x9, sp\n\
         cbz x9, __paravirt_el1\n"
    };
}
#[cfg(not(feature = "el1"))]
macro_rules! out_of_reset {
    () => {
        ""
    };
}

asm_function! {
    weak "_start", align: 4; // a C library's, in tests of this crate, wins
    ".globl paravirt_start", // the same place, for a host library that has a `_start` of its own
    "paravirt_start:",
    "    .cfi_startproc",
    "    .cfi_undefined x30",             // nobody called it
    "    movz w9, #{low}",
    "    movk w9, #{high}, lsl #16",
    "    cmp w1, w9",                     // a host of this ABI?
    "    b.eq 1f",
    out_of_reset!(),
    "1:  mov w9, w1",                     // magic; a host that sets it sets the lower half
    "    mov x1, x0",                     // address of the start info
    "    mov w0, w9",
    "    mov x2, sp",                     // stack of whoever entered: Linux passes argc and argv there
    "    adrp x9, __stack_end",
    "    add x9, x9, #:lo12:__stack_end",
    "    mov sp, x9",                     // the image's own stack
    "    mov x29, xzr",                   // end of the chain of frames
    "    mov x30, xzr",
    "    bl {enter}",                     // does not return
    "    udf #0",
    "    .cfi_endproc";
    low = const MAGIC & 0xffff,
    high = const MAGIC >> 16,
    enter = sym enter,
}
