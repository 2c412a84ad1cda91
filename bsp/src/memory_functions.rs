// SPDX-License-Identifier: MIT OR Apache-2.0
//! The five memory functions and `strlen` that compilers call by themselves (GCC manual, 2.1; `core`'s documentation),
//! for images without a C library. They are weak, so a C library's win.
//!
//! In assembly, because a compiler turns such loops into calls of the very functions.

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod x86 {
    /// Has the arguments in registers: `$load` loads them on i386, from behind the return address and the registers that
    /// belong to the caller and are pushed first; `$move` moves them on x86-64, which has them in di, si and dx.
    macro_rules! arguments {
        ([$($register:ident)*]: $load:literal, $move:literal) => {
            concat!(".if \\word == 4\n", push!($($register)*), $load, "\n.else\n", $move, "\n.endif\n")
        };
    }

    /// Gives the caller its registers back, and returns.
    macro_rules! leave {
        ($($register:ident)*) => {
            concat!(".if \\word == 4\n", pop!($($register)*), ".endif\nret\n.cfi_endproc")
        };
    }

    x86_function! {
        weak "memmove", align: 1;
        // Where calls cost more, memcpy is the same.
        ".if \\word == 4\n.weak memcpy\n.type memcpy, @function\nmemcpy:\n.endif",
        "    .cfi_startproc",
        arguments!([esi edi]: "movl 12(%esp), %edi\nmovl 16(%esp), %esi\nmovl 20(%esp), %ecx", "movq %rdx, %rcx"),
        "    mov \\di, \\ax",
        "    sub \\si, \\ax", // destination - source, as unsigned
        "    cmp \\cx, \\ax", // below the length: the destination starts inside the source
        "    mov \\di, \\ax", // result: the destination (mov leaves the flags alone)
        "    jb 1f",
        "    rep movsb", // upwards
        "    jmp 2f",
        "1:  lea -1(\\di,\\cx), \\di", // last bytes
        "    lea -1(\\si,\\cx), \\si",
        "    std",
        "    rep movsb", // downwards
        "    cld",       // as the ABI wants it
        "2:",
        leave!(edi esi);
        options(att_syntax),
    }

    #[cfg(target_arch = "x86_64")]
    asm_function! {
        weak "memcpy", align: 1;
        "    .cfi_startproc",
        "    movq %rdi, %rax", // result: the destination
        "    movq %rdx, %rcx",
        "    rep movsb",
        "    ret",
        "    .cfi_endproc";
        options(att_syntax),
    }

    x86_function! {
        weak "memset", align: 1;
        "    .cfi_startproc",
        arguments!([edi]: "movl 8(%esp), %edi\nmovl 12(%esp), %eax\nmovl 16(%esp), %ecx", "movl %esi, %eax\nmovq %rdx, %rcx"),
        "    mov \\di, \\dx", // kept for the result
        "    rep stosb",
        "    mov \\dx, \\ax",
        leave!(edi);
        options(att_syntax),
    }

    x86_function! {
        weak "memcmp", align: 1;
        ".weak bcmp\n.type bcmp, @function\nbcmp:",
        "    .cfi_startproc",
        // cmpsb counts from si.
        arguments!([esi edi]: "movl 12(%esp), %esi\nmovl 16(%esp), %edi\nmovl 20(%esp), %ecx",
            "xchgq %rdi, %rsi\nmovq %rdx, %rcx"),
        "    xorl %eax, %eax", // equal so far
        "    cmp \\cx, \\cx",  // equal, should the length be 0
        "    repe cmpsb",      // until a difference or the end
        "    je 3f",
        "    movzbl -1(\\si), %eax", // the bytes that differ
        "    movzbl -1(\\di), %ecx",
        "    subl %ecx, %eax",
        "3:",
        leave!(edi esi);
        options(att_syntax),
    }

    x86_function! {
        weak "strlen", align: 1;
        "    .cfi_startproc",
        arguments!([edi]: "movl 8(%esp), %edi", ""),
        "    mov \\di, \\dx",   // start
        "    xorl %eax, %eax", // look for 0
        "    mov $-1, \\cx",    // without a limit
        "    repne scasb",     // ends one behind the NUL
        "    lea -1(\\di), \\ax",
        "    sub \\dx, \\ax",
        leave!(edi);
        options(att_syntax),
    }
}

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    asm_function! {
        weak "memmove", align: 4;
        ".weak memcpy\n.type memcpy, @function",
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
        "    ret";
    }

    asm_function! {
        weak "memset", align: 4;
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
        "4:  ret";
    }

    asm_function! {
        weak "memcmp", align: 4;
        ".weak bcmp\n.type bcmp, @function\nbcmp:",
        "    cbz x2, 2f",
        "1:  ldrb w9, [x0], #1", // until a difference or the end
        "    ldrb w10, [x1], #1",
        "    subs w9, w9, w10",
        "    b.ne 3f",
        "    subs x2, x2, #1",
        "    b.ne 1b",
        "2:  mov w9, wzr",
        "3:  mov w0, w9",
        "    ret";
    }

    asm_function! {
        weak "strlen", align: 4;
        "    mov x9, x0",
        "1:  ldrb w10, [x9], #1",
        "    cbnz w10, 1b", // ends one behind the NUL
        "    sub x0, x9, x0",
        "    sub x0, x0, #1",
        "    ret";
    }
}
