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
            pairs!("stp", "x", 8, ["x9", 0]: 0 1, 2 3, 4 5, 6 7, 8 9, 10 11, 12 13, 14 15, 16 17, 18 19, 20 21, 22 23, 24 25,
                26 27, 28 29),
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
