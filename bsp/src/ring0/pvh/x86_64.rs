// SPDX-License-Identifier: MIT OR Apache-2.0
//! From 32-bit protected mode to long mode, with the low 4 GiB mapped one to one.

use core::arch::global_asm;

use super::super::descriptor::{CODE, DATA, SEGMENTS};
use super::super::paging::{DIRECTORIES, POINTERS, ROOT};
use super::entered;

global_asm!(
    ".pushsection .text.paravirt_pvh, \"ax\", @progbits",
    ".code32",
    ".globl __paravirt_pvh",
    ".hidden __paravirt_pvh",
    ".type __paravirt_pvh, @function",
    "__paravirt_pvh:",
    "    cld",                                // the ABI of what we call
    "    movl $__stack_end, %esp",            // the image's own stack
    "    movl ${directories}, %edi",          // first page directory; the four lie one behind the other
    "    movl $0x83, %eax",                   // address 0; present, writable, 2 MiB
    "1:  movl %eax, (%edi)",
    "    movl $0, 4(%edi)",                   // upper half of the entry
    "    leal 8(%edi), %edi",
    "    addl $0x200000, %eax",               // carries after 4 GiB
    "    jnc 1b",
    "    movl ${directories} + 3, {pointers}",             // each directory is present and writable: 1 GiB
    "    movl ${directories} + 0x1003, {pointers} + 8",
    "    movl ${directories} + 0x2003, {pointers} + 16",
    "    movl ${directories} + 0x3003, {pointers} + 24",
    "    movl ${pointers} + 3, {root}",       // the first 512 GiB
    "    movl ${root}, %eax",
    "    movl %eax, %cr3",
    "    movl %cr4, %eax",
    "    orl $0x620, %eax",                   // physical address extension; SSE, with its exceptions
    "    movl %eax, %cr4",
    "    movl $0xc0000080, %ecx",             // extended features:
    "    rdmsr",
    "    orl $0x100, %eax",                   // long mode
    "    wrmsr",
    "    movl %cr0, %eax",
    "    andl $~0xc, %eax",                   // the floating-point unit is there and holds this code's state,
    "    orl $0x80010022, %eax",              // reports errors as exceptions; read-only pages are; paging
    "    movl %eax, %cr0",
    "    lgdt 4f",
    "    ljmp ${code}, $2f",                  // to 64-bit code
    ".code64",
    "2:  movl ${data}, %eax",
    "    movl %eax, %ds",
    "    movl %eax, %es",
    "    movl %eax, %ss",
    "    xorl %eax, %eax",
    "    movl %eax, %fs",                     // base 0, until thread-local storage is set
    "    movl %eax, %gs",
    "    fninit",                             // default control word
    "    movl %ebx, %edi",                    // address of the loader's start info
    "    xorl %ebp, %ebp",                    // end of the chain of frames
    "    call {entered}",                     // does not return
    "    ud2",
    ".balign 4",
    "4:  .word 5 * 8 - 1",                    // limit of the segments' table
    "    .long {segments}",
    ".size __paravirt_pvh, . - __paravirt_pvh",
    ".popsection",
    directories = sym DIRECTORIES,
    pointers = sym POINTERS,
    root = sym ROOT,
    segments = sym SEGMENTS,
    code = const CODE,
    data = const DATA,
    entered = sym entered,
    options(att_syntax),
);
