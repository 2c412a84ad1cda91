// SPDX-License-Identifier: MIT OR Apache-2.0
//! The five memory functions and `strlen` that compilers call by themselves (GCC manual, 2.1; `core`'s documentation),
//! for images without a C library. They are weak, so a C library's win.
//!
//! In assembly, because a compiler turns such loops into calls of the very functions.

/// Makes the functions of their lines.
macro_rules! memory_functions {
    ($($line:expr),* $(,)?; $($operand:tt)*) => {
        core::arch::global_asm!(
            ".pushsection .text.paravirt_memory, \"ax\", @progbits",
            ".balign 4",
            ".irp name, memcpy, memmove, memset, memcmp, bcmp, strlen",
            ".weak \\name",
            ".type \\name, @function",
            ".endr",
            $($line,)*
            ".popsection",
            $($operand)*
        );
    };
}

#[cfg(target_arch = "x86_64")]
memory_functions! {
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
    "    .cfi_endproc";
    options(att_syntax),
}

#[cfg(target_arch = "x86")]
memory_functions! {
    "memcpy:",
    "memmove:",
    "    .cfi_startproc",
    push!(esi edi), // they belong to the caller
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
    "2:",
    pop!(edi esi),
    "    ret",
    "    .cfi_endproc",
    "memset:",
    "    .cfi_startproc",
    push!(edi),
    "    movl 8(%esp), %edi",  // destination
    "    movl 12(%esp), %eax", // the byte
    "    movl 16(%esp), %ecx", // length
    "    rep stosb",
    "    movl 8(%esp), %eax", // result: the destination
    pop!(edi),
    "    ret",
    "    .cfi_endproc",
    "bcmp:",
    "memcmp:",
    "    .cfi_startproc",
    push!(esi edi),
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
    "3:",
    pop!(edi esi),
    "    ret",
    "    .cfi_endproc",
    "strlen:",
    "    .cfi_startproc",
    push!(edi),
    "    movl 8(%esp), %edi", // start
    "    xorl %eax, %eax",    // look for 0
    "    movl $-1, %ecx",     // without a limit
    "    repne scasb",        // ends one behind the NUL
    "    leal -1(%edi), %eax",
    "    subl 8(%esp), %eax",
    pop!(edi),
    "    ret",
    "    .cfi_endproc";
    options(att_syntax),
}

#[cfg(target_arch = "aarch64")]
memory_functions! {
    "memmove:",
    "    sub x9, x0, x1", // destination - source, as unsigned
    "    cmp x9, x2",     // below the length: the destination starts inside the source
    "    b.lo 5f",
    "memcpy:",
    "    mov x9, x0", // the result stays the destination
    "1:  subs x2, x2, #16",
    "    b.lo 2f",
    "    ldp x10, x11, [x1], #16", // upwards
    "    stp x10, x11, [x9], #16",
    "    b 1b",
    "2:  adds x2, x2, #16", // the last few
    "    b.eq 4f",
    "3:  ldrb w10, [x1], #1",
    "    strb w10, [x9], #1",
    "    subs x2, x2, #1",
    "    b.ne 3b",
    "4:  ret",
    "5:  add x9, x0, x2", // behind the last bytes
    "    add x1, x1, x2",
    "6:  subs x2, x2, #16",
    "    b.lo 7f",
    "    ldp x10, x11, [x1, #-16]!", // downwards
    "    stp x10, x11, [x9, #-16]!",
    "    b 6b",
    "7:  adds x2, x2, #16",
    "    b.eq 4b",
    "8:  ldrb w10, [x1, #-1]!",
    "    strb w10, [x9, #-1]!",
    "    subs x2, x2, #1",
    "    b.ne 8b",
    "    ret",
    "memset:",
    "    mov x9, x0",
    "    and w1, w1, #0xff",
    "    mov x10, #0x0101010101010101",
    "    mul x10, x10, x1", // the byte eight times; the upper half of x1 is 0 now
    "1:  subs x2, x2, #16",
    "    b.lo 2f",
    "    stp x10, x10, [x9], #16",
    "    b 1b",
    "2:  adds x2, x2, #16",
    "    b.eq 4f",
    "3:  strb w10, [x9], #1",
    "    subs x2, x2, #1",
    "    b.ne 3b",
    "4:  ret",
    "bcmp:",
    "memcmp:",
    "    cbz x2, 2f",
    "1:  ldrb w9, [x0], #1", // until a difference or the end
    "    ldrb w10, [x1], #1",
    "    subs w9, w9, w10",
    "    b.ne 3f",
    "    subs x2, x2, #1",
    "    b.ne 1b",
    "2:  mov w9, wzr",
    "3:  mov w0, w9",
    "    ret",
    "strlen:",
    "    mov x9, x0",
    "1:  ldrb w10, [x9], #1",
    "    cbnz w10, 1b", // ends one behind the NUL
    "    sub x0, x9, x0",
    "    sub x0, x0, #1",
    "    ret";
}
