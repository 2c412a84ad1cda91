// SPDX-License-Identifier: MIT OR Apache-2.0
//! From 32-bit protected mode to long mode, with the low 4 GiB mapped one to one.

use super::super::descriptor::{CODE, DATA, SEGMENTS};
use super::super::paging::{DIRECTORIES, POINTERS, ROOT};
use super::entered;

asm_function! {
    "__paravirt_pvh", align: 1;
    ".code32",
    "    .cfi_startproc",
    "    .cfi_undefined 16",                  // rip: nobody called it
    "    cld",                                // the ABI of what we call
    "    movl $__stack_end, %esp",            // the image's own stack
    "    movl %ebx, %ebp",                    // address of the loader's start info, which cpuid overwrites
    "    movl $0x80000000, %eax",             // highest extended leaf
    "    cpuid",
    "    cmpl $0x80000001, %eax",
    "    jb 3f",
    "    movl $0x80000001, %eax",
    "    cpuid",
    "    btl $29, %edx",                      // long mode?
    "    jnc 3f",
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
    "    movl %ebp, %edi",                    // address of the loader's start info
    "    xorl %ebp, %ebp",                    // end of the chain of frames
    "    call {entered}",                     // does not return
    "    ud2",
    ".code32",
    "3:  movl $5f, %esi",                     // no: last words, before there is anything that could say them
    "6:  lodsb",
    "    testb %al, %al",
    "    jz 7f",
    "    movl $0xe9, %edx",                   // QEMU's debug console
    "    outb %al, %dx",
    "    movl $0x3f8, %edx",                  // serial port
    "    outb %al, %dx",
    "    jmp 6b",
    "7:  movl $1, %eax",                      // the code of the record
    "    outl %eax, $0xf4",                   // QEMU's exit
    "8:  cli",
    "    hlt",
    "    jmp 8b",
    ".code64",
    "    .cfi_endproc",
    ".pushsection .rodata.paravirt_pvh, \"a\", @progbits",
    "5:  .ascii \"paravirt: this processor has no long mode, which an x86-64 image needs; run the image for i386\\n\"",
    "    .asciz \"paravirt: shutdown fault 1\\n\"",
    ".balign 4",
    "4:  .word 5 * 8 - 1",                    // limit of the segments' table
    "    .long {segments}",
    ".popsection";
    directories = sym DIRECTORIES,
    pointers = sym POINTERS,
    root = sym ROOT,
    segments = sym SEGMENTS,
    code = const CODE,
    data = const DATA,
    entered = sym entered,
    options(att_syntax),
}
