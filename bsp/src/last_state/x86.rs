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

/// Stores registers at their places in the array.
macro_rules! store {
    ($array:literal, $size:literal: $($register:ident $index:literal),*) => {
        concat!($("mov %", stringify!($register), ", ", $size, " * ", $index, "(%", $array, ")\n"),*)
    };
}

/// The registers at an instruction in here.
#[inline(always)]
pub(super) fn here() -> Registers {
    let mut registers = [0; COUNT];
    // SAFETY: stores to the array, as many words as it has.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!(
            store!("rdi", 8: rax 0, rbx 1, rcx 2, rdx 3, rsi 4, rdi 5, rbp 6, rsp 7, r8 8, r9 9, r10 10, r11 11, r12 12,
                r13 13, r14 14, r15 15),
            "leaq 2f(%rip), %rax",
            "2: movq %rax, 128(%rdi)",
            in("rdi") &raw mut registers,
            out("rax") _,
            options(att_syntax, nostack, preserves_flags),
        );
        #[cfg(target_arch = "x86")]
        asm!(
            store!("edi", 4: eax 0, ebx 1, ecx 2, edx 3, esi 4, edi 5, ebp 6, esp 7),
            "2: movl $2b, 32(%edi)",
            in("edi") &raw mut registers,
            options(att_syntax, nostack, preserves_flags),
        );
    }
    registers
}
