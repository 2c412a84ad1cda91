// SPDX-License-Identifier: MIT OR Apache-2.0
//! The five memory functions and `strlen` that compilers call by themselves (GCC manual, 2.1; `core`'s documentation),
//! for images without a C library. They are weak, so a C library's win.
//!
//! In assembly, because a compiler turns such loops into calls of the very functions.

use core::arch::global_asm;

#[cfg(target_arch = "x86_64")]
global_asm!(
    ".pushsection .text.paravirt_memory, \"ax\", @progbits",
    ".weak memcpy, memmove, memset, memcmp, bcmp, strlen",
    ".type memcpy, @function",
    ".type memmove, @function",
    ".type memset, @function",
    ".type memcmp, @function",
    ".type bcmp, @function",
    ".type strlen, @function",
    "memmove:",
    "    .cfi_startproc",
    "    movq %rdi, %rax", // destination, the result too
    "    subq %rsi, %rax", // destination - source, as unsigned
    "    cmpq %rdx, %rax", // below the length: the destination starts inside the source
    "    jb 1f",
    "memcpy:",
    "    movq %rdi, %rax", // result: the destination
    "    movq %rdx, %rcx",
    "    rep movsb", // upwards
    "    ret",
    "1:  movq %rdi, %rax", // result: the destination
    "    movq %rdx, %rcx",
    "    leaq -1(%rdi,%rdx), %rdi", // last bytes
    "    leaq -1(%rsi,%rdx), %rsi",
    "    std",
    "    rep movsb", // downwards
    "    cld",       // as the ABI wants it
    "    ret",
    "    .cfi_endproc",
    "memset:",
    "    .cfi_startproc",
    "    movq %rdi, %r8",  // kept for the result
    "    movl %esi, %eax", // the byte
    "    movq %rdx, %rcx",
    "    rep stosb",
    "    movq %r8, %rax",
    "    ret",
    "    .cfi_endproc",
    "bcmp:",
    "memcmp:",
    "    .cfi_startproc",
    "    xorl %eax, %eax",  // equal so far
    "    xchgq %rdi, %rsi", // cmpsb counts from rsi
    "    movq %rdx, %rcx",
    "    cmpq %rcx, %rcx", // equal, should the length be 0
    "    repe cmpsb",      // until a difference or the end
    "    je 2f",
    "    movzbl -1(%rsi), %eax", // the bytes that differ
    "    movzbl -1(%rdi), %ecx",
    "    subl %ecx, %eax",
    "2:  ret",
    "    .cfi_endproc",
    "strlen:",
    "    .cfi_startproc",
    "    movq %rdi, %rdx", // start
    "    xorl %eax, %eax", // look for 0
    "    movq $-1, %rcx",  // without a limit
    "    repne scasb",     // ends one behind the NUL
    "    leaq -1(%rdi), %rax",
    "    subq %rdx, %rax",
    "    ret",
    "    .cfi_endproc",
    ".popsection",
    options(att_syntax),
);

#[cfg(target_arch = "x86")]
global_asm!(
    ".pushsection .text.paravirt_memory, \"ax\", @progbits",
    ".weak memcpy, memmove, memset, memcmp, bcmp, strlen",
    ".type memcpy, @function",
    ".type memmove, @function",
    ".type memset, @function",
    ".type memcmp, @function",
    ".type bcmp, @function",
    ".type strlen, @function",
    "memcpy:",
    "memmove:",
    "    .cfi_startproc",
    "    pushl %esi", // esi and edi belong to the caller
    "    .cfi_adjust_cfa_offset 4",
    "    .cfi_rel_offset esi, 0",
    "    pushl %edi",
    "    .cfi_adjust_cfa_offset 4",
    "    .cfi_rel_offset edi, 0",
    "    movl 12(%esp), %edi", // destination
    "    movl 16(%esp), %esi", // source
    "    movl 20(%esp), %ecx", // length
    "    movl %edi, %eax",
    "    subl %esi, %eax", // destination - source, as unsigned
    "    cmpl %ecx, %eax", // below the length: the destination starts inside the source
    "    movl %edi, %eax", // result: the destination (mov leaves the flags alone)
    "    jb 1f",
    "    rep movsb", // upwards
    "    jmp 2f",
    "1:  leal -1(%edi,%ecx), %edi", // last bytes
    "    leal -1(%esi,%ecx), %esi",
    "    std",
    "    rep movsb", // downwards
    "    cld",       // as the ABI wants it
    "2:  popl %edi",
    "    .cfi_adjust_cfa_offset -4",
    "    .cfi_restore edi",
    "    popl %esi",
    "    .cfi_adjust_cfa_offset -4",
    "    .cfi_restore esi",
    "    ret",
    "    .cfi_endproc",
    "memset:",
    "    .cfi_startproc",
    "    pushl %edi",
    "    .cfi_adjust_cfa_offset 4",
    "    .cfi_rel_offset edi, 0",
    "    movl 8(%esp), %edi",  // destination
    "    movl 12(%esp), %eax", // the byte
    "    movl 16(%esp), %ecx", // length
    "    rep stosb",
    "    movl 8(%esp), %eax", // result: the destination
    "    popl %edi",
    "    .cfi_adjust_cfa_offset -4",
    "    .cfi_restore edi",
    "    ret",
    "    .cfi_endproc",
    "bcmp:",
    "memcmp:",
    "    .cfi_startproc",
    "    pushl %esi",
    "    .cfi_adjust_cfa_offset 4",
    "    .cfi_rel_offset esi, 0",
    "    pushl %edi",
    "    .cfi_adjust_cfa_offset 4",
    "    .cfi_rel_offset edi, 0",
    "    movl 12(%esp), %esi",
    "    movl 16(%esp), %edi",
    "    movl 20(%esp), %ecx",
    "    xorl %eax, %eax", // equal so far
    "    cmpl %ecx, %ecx", // equal, should the length be 0
    "    repe cmpsb",      // until a difference or the end
    "    je 3f",
    "    movzbl -1(%esi), %eax", // the bytes that differ
    "    movzbl -1(%edi), %ecx",
    "    subl %ecx, %eax",
    "3:  popl %edi",
    "    .cfi_adjust_cfa_offset -4",
    "    .cfi_restore edi",
    "    popl %esi",
    "    .cfi_adjust_cfa_offset -4",
    "    .cfi_restore esi",
    "    ret",
    "    .cfi_endproc",
    "strlen:",
    "    .cfi_startproc",
    "    pushl %edi",
    "    .cfi_adjust_cfa_offset 4",
    "    .cfi_rel_offset edi, 0",
    "    movl 8(%esp), %edi", // start
    "    xorl %eax, %eax",    // look for 0
    "    movl $-1, %ecx",     // without a limit
    "    repne scasb",        // ends one behind the NUL
    "    leal -1(%edi), %eax",
    "    subl 8(%esp), %eax",
    "    popl %edi",
    "    .cfi_adjust_cfa_offset -4",
    "    .cfi_restore edi",
    "    ret",
    "    .cfi_endproc",
    ".popsection",
    options(att_syntax),
);
