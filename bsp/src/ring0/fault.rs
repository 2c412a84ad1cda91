// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults: what happened, where, and a guess at the reason; then the guest stops.

use super::{message, stop};
use crate::stop::{begin_report, is_below_stack};

/// Exceptions whose vector is looked at (Intel SDM volume 3, 6.15).
const DIVIDE: usize = 0;
const INVALID_OPCODE: usize = 6;
const DOUBLE_FAULT: usize = 8;
const GENERAL_PROTECTION: usize = 13;
const PAGE_FAULT: usize = 14;

/// Names of the exceptions, by vector.
const NAMES: [&str; 22] = [
    "division error",
    "debug exception",
    "non-maskable interrupt",
    "breakpoint",
    "overflow",
    "bound range exceeded",
    "invalid instruction",
    "floating-point unit not available",
    "double fault",
    "coprocessor segment overrun",
    "invalid task state",
    "segment not present",
    "stack segment fault",
    "general protection fault",
    "page fault",
    "reserved exception",
    "x87 floating-point error",
    "misaligned access",
    "machine check",
    "SSE floating-point error",
    "virtualization exception",
    "control protection exception",
];

/// Bits of a page fault's error code.
const PRESENT: usize = 1;
const WRITE: usize = 1 << 1;

/// Addresses that a null pointer with an offset reaches.
const NULL_REACH: usize = 0x1000;

/// The general registers as an entry leaves them on its stack, lowest address first: r15 to r8, rdi, rsi, rbp, rbx,
/// rdx, rcx, rax; on i386 edi, esi, ebp, a stack pointer that means nothing, ebx, edx, ecx, eax.
pub type General = [usize; if cfg!(target_arch = "x86_64") { 15 } else { 8 }];

/// What the processor says of a fault.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Number of the exception.
    pub vector: usize,
    /// Its error code, 0 if it has none.
    pub error: usize,
    /// Address of the instruction.
    pub instruction: usize,
    /// Stack pointer at that moment.
    pub stack: usize,
    /// The address that a page fault is about.
    pub address: usize,
    /// The other registers.
    pub general: General,
}

/// Reports `fault` and stops the guest with reason `fault`, the vector as code.
pub fn report(fault: &Fault) -> ! {
    let code = fault.vector as i32;
    let name = NAMES.get(fault.vector).unwrap_or(&"reserved exception");
    begin_report(fault, name, code);
    message::say(format_args!(
        "fault: {name} (vector {}, error code {:#x}) at {:#x}, stack pointer {:#x}",
        fault.vector, fault.error, fault.instruction, fault.stack
    ));
    if fault.vector == PAGE_FAULT {
        message::say(format_args!(
            "address {:#x}, {}",
            fault.address,
            if fault.error & PRESENT != 0 {
                "which the page's rights forbid"
            } else if fault.error & WRITE != 0 {
                "written, where no memory is mapped"
            } else {
                "read or executed, where no memory is mapped"
            }
        ));
    }
    if let Some(hint) = hint(fault) {
        message::say(format_args!("hint: {hint}"));
    }
    stop("fault", code)
}

fn hint(fault: &Fault) -> Option<&'static str> {
    Some(match fault.vector {
        DIVIDE => "a division by zero, or a quotient that does not fit",
        INVALID_OPCODE => "an abort (`ud2`), a jump to what is no code, or code built for a newer processor",
        DOUBLE_FAULT => "usually a stack overflow; link with a larger `__stack_size`",
        GENERAL_PROTECTION => {
            "an interrupt vector without an entry, a misaligned SSE operand, or an address that is not canonical"
        }
        PAGE_FAULT if fault.address < NULL_REACH => "a null pointer",
        PAGE_FAULT if is_below_stack(fault.address) => "a stack overflow; link with a larger `__stack_size`",
        PAGE_FAULT if fault.address as u64 >> 32 != 0 => "memory is mapped up to 4 GiB",
        _ => return None,
    })
}
