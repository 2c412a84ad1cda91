// SPDX-License-Identifier: MIT OR Apache-2.0
//! The 128 bytes below the stack pointer that code for x86-64 may use without asking (System V ABI, AMD64 supplement,
//! 3.2.2).

/// Fills the red zone with a pattern, waits `loops` turns, and returns how many of its 16 words changed meanwhile.
#[cfg(target_arch = "x86_64")]
#[must_use]
pub fn changes(loops: usize) -> usize {
    let changed;
    // SAFETY: without `nostack` the compiler keeps its own data away from the red zone, which is all that is written.
    unsafe {
        core::arch::asm!(
            "movq $-16, %rax",
            "2: movq %rax, (%rsp,%rax,8)",       // each word holds its own index
            "incq %rax",
            "jnz 2b",
            "3: decq {loops}",
            "jnz 3b",
            "xorl %ecx, %ecx",
            "movq $-16, %rax",
            "4: cmpq %rax, (%rsp,%rax,8)",
            "je 5f",
            "incq %rcx",
            "5: incq %rax",
            "jnz 4b",
            loops = inout(reg) loops.max(1) => _,
            out("rax") _,
            out("rcx") changed,
            options(att_syntax),
        );
    }
    changed
}

/// i386 has none.
#[cfg(not(target_arch = "x86_64"))]
#[must_use]
pub const fn changes(_loops: usize) -> usize {
    0
}
