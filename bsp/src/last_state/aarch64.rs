// SPDX-License-Identifier: MIT OR Apache-2.0
//! The registers on AArch64.

use core::arch::asm;

use crate::el1::fault::Fault;

/// Number of registers that are told: the general ones, and behind them stack pointer and program counter.
pub(super) const COUNT: usize = 33;
/// The stack pointer's index.
pub(super) const STACK_POINTER: usize = 31;
/// How many are told in a line.
pub(super) const IN_LINE: usize = 8;

pub(super) type Registers = [usize; COUNT];

/// Those of a fault.
pub(super) fn of(fault: &Fault) -> Registers {
    let mut registers = [0; COUNT];
    for (register, &value) in registers.iter_mut().zip(&fault.registers) {
        *register = value as usize;
    }
    registers[STACK_POINTER] = fault.stack;
    registers[COUNT - 1] = fault.instruction;
    registers
}

/// The registers at an instruction in here.
#[inline(always)]
pub(super) fn here() -> Registers {
    let mut registers = [0; COUNT];
    // SAFETY: stores to the array, as many words as it has.
    unsafe {
        asm!(
            "stp x0, x1, [x9, #0]",
            "stp x2, x3, [x9, #16]",
            "stp x4, x5, [x9, #32]",
            "stp x6, x7, [x9, #48]",
            "stp x8, x9, [x9, #64]",
            "stp x10, x11, [x9, #80]",
            "stp x12, x13, [x9, #96]",
            "stp x14, x15, [x9, #112]",
            "stp x16, x17, [x9, #128]",
            "stp x18, x19, [x9, #144]",
            "stp x20, x21, [x9, #160]",
            "stp x22, x23, [x9, #176]",
            "stp x24, x25, [x9, #192]",
            "stp x26, x27, [x9, #208]",
            "stp x28, x29, [x9, #224]",
            "str x30, [x9, #240]",
            "mov x10, sp",
            "str x10, [x9, #248]",
            "adr x10, 2f",
            "2: str x10, [x9, #256]",
            in("x9") &raw mut registers,
            out("x10") _,
            options(nostack, preserves_flags),
        );
    }
    registers
}
