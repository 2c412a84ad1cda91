// SPDX-License-Identifier: MIT OR Apache-2.0
//! The registers on i386 and x86-64.

use core::arch::asm;

use crate::ring0::fault::Fault;

/// Number of registers that are told: the general ones, and behind them the instruction pointer.
pub(super) const COUNT: usize = if cfg!(target_arch = "x86_64") { 17 } else { 9 };
/// The stack pointer's index.
pub(super) const STACK_POINTER: usize = 7;
/// How many are told in a line.
pub(super) const IN_LINE: usize = COUNT;

pub(super) type Registers = [usize; COUNT];

/// Those of a fault.
pub(super) const fn of(fault: &Fault) -> Registers {
    let general = &fault.general;
    #[cfg(target_arch = "x86_64")]
    {
        let [r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax] = *general;
        let (rsp, rip) = (fault.stack, fault.instruction);
        [
            rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15, rip,
        ]
    }
    #[cfg(target_arch = "x86")]
    {
        let [edi, esi, ebp, _, ebx, edx, ecx, eax] = *general;
        [eax, ebx, ecx, edx, esi, edi, ebp, fault.stack, fault.instruction]
    }
}

/// The registers at an instruction in here.
#[inline(always)]
pub(super) fn here() -> Registers {
    let mut registers = [0; COUNT];
    // SAFETY: stores to the array, as many words as it has.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!(
            "movq %rax, (%rdi)",
            "movq %rbx, 8(%rdi)",
            "movq %rcx, 16(%rdi)",
            "movq %rdx, 24(%rdi)",
            "movq %rsi, 32(%rdi)",
            "movq %rdi, 40(%rdi)",
            "movq %rbp, 48(%rdi)",
            "movq %rsp, 56(%rdi)",
            "movq %r8, 64(%rdi)",
            "movq %r9, 72(%rdi)",
            "movq %r10, 80(%rdi)",
            "movq %r11, 88(%rdi)",
            "movq %r12, 96(%rdi)",
            "movq %r13, 104(%rdi)",
            "movq %r14, 112(%rdi)",
            "movq %r15, 120(%rdi)",
            "leaq 2f(%rip), %rax",
            "2: movq %rax, 128(%rdi)",
            in("rdi") &raw mut registers,
            out("rax") _,
            options(att_syntax, nostack, preserves_flags),
        );
        #[cfg(target_arch = "x86")]
        asm!(
            "movl %eax, (%edi)",
            "movl %ebx, 4(%edi)",
            "movl %ecx, 8(%edi)",
            "movl %edx, 12(%edi)",
            "movl %esi, 16(%edi)",
            "movl %edi, 20(%edi)",
            "movl %ebp, 24(%edi)",
            "movl %esp, 28(%edi)",
            "2: movl $2b, 32(%edi)",
            in("edi") &raw mut registers,
            options(att_syntax, nostack, preserves_flags),
        );
    }
    registers
}
