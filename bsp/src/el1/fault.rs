// SPDX-License-Identifier: MIT OR Apache-2.0
//! Faults: what happened, where, and a guess at the reason; then the guest stops.

use super::{message, stop};
use crate::stop::{begin_report, is_below_stack};

/// Exception classes whose kind is looked at (Arm Architecture Reference Manual, ESR_EL1).
const UNKNOWN: u64 = 0x00;
const FLOATING_POINT: u64 = 0x07;
const INSTRUCTION_ABORT: u64 = 0x21;
const PC_ALIGNMENT: u64 = 0x22;
const DATA_ABORT: u64 = 0x25;
const SP_ALIGNMENT: u64 = 0x26;
const SERROR: u64 = 0x2f;
const BREAKPOINT: u64 = 0x3c;

/// The code of what is no synchronous fault and no error of the system: an interrupt that nobody asked for.
const UNEXPECTED: i32 = 0x3f;

/// Syndrome of an abort: it was a write; the kind of abort.
const WRITE: u64 = 1 << 6;
const STATUS: u64 = 0x3f;

/// Addresses that a null pointer with an offset reaches.
const NULL_REACH: usize = 0x1000;

/// What the processor says of a fault.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Number of the vector: 0 to 3 for code on `SP_EL0`, 4 to 7 on `SP_EL1`, 8 to 15 for lower levels; of each four
    /// the first is for synchronous faults, then IRQ, FIQ, SError.
    pub vector: usize,
    /// `ESR_EL1`.
    pub syndrome: u64,
    /// Address of the instruction.
    pub instruction: usize,
    /// Stack pointer at that moment.
    pub stack: usize,
    /// The address that an abort is about.
    pub address: usize,
    /// `x0` to `x30`.
    pub registers: [u64; 31],
}

impl Fault {
    /// Returns whether it is of one of these classes, as a synchronous fault.
    fn is(&self, classes: &[u64]) -> bool {
        self.vector.is_multiple_of(4) && classes.contains(&class(self))
    }
}

const fn class(fault: &Fault) -> u64 {
    fault.syndrome >> 26 & 0x3f
}

/// Reports `fault` and stops the guest with reason `fault`, the exception class as code.
pub fn report(fault: &Fault) -> ! {
    let name = name(fault);
    let code = match fault.vector % 4 {
        0 => class(fault) as i32,
        3 => SERROR as i32,
        _ => UNEXPECTED,
    };
    begin_report(fault, name, code);
    message::say(format_args!(
        "fault: {name} (class {code:#x}, syndrome {:#x}) at {:#x}, stack pointer {:#x}",
        fault.syndrome, fault.instruction, fault.stack
    ));
    if fault.is(&[DATA_ABORT, INSTRUCTION_ABORT]) {
        message::say(format_args!("address {:#x}, {}", fault.address, abort(fault)));
    }
    if let Some(hint) = hint(fault) {
        message::say(format_args!("hint: {hint}"));
    }
    for (row, registers) in fault.registers.chunks(4).enumerate() {
        let first = 4 * row;
        match *registers {
            [a, b, c, d] => message::say(format_args!("x{first:<2} {a:016x} {b:016x} {c:016x} {d:016x}")),
            [a, b, c] => message::say(format_args!("x{first:<2} {a:016x} {b:016x} {c:016x}")),
            _ => {}
        }
    }
    stop("fault", code)
}

fn name(fault: &Fault) -> &'static str {
    match (fault.vector % 4, class(fault)) {
        (1 | 2, _) => "interrupt that nobody asked for",
        (3, _) => "error of the system (SError)",
        (_, UNKNOWN) => "undefined instruction",
        (_, FLOATING_POINT) => "floating-point unit not available",
        (_, 0x0e) => "illegal execution state",
        (_, 0x11 | 0x15) => "system call",
        (_, 0x12 | 0x16) => "hypervisor call",
        (_, 0x13 | 0x17) => "secure monitor call",
        (_, 0x18) => "system register that may not be used",
        (_, 0x19) => "SVE not available",
        (_, INSTRUCTION_ABORT) => "instruction abort",
        (_, PC_ALIGNMENT) => "misaligned instruction address",
        (_, DATA_ABORT) => "data abort",
        (_, SP_ALIGNMENT) => "misaligned stack pointer",
        (_, 0x2c) => "floating-point exception",
        (_, BREAKPOINT) => "breakpoint",
        _ => "exception",
    }
}

/// What an abort is, by its status.
fn abort(fault: &Fault) -> &'static str {
    let is_write = fault.is(&[DATA_ABORT]) && fault.syndrome & WRITE != 0;
    match fault.syndrome & STATUS {
        0x04..=0x07 if is_write => "written, where nothing is mapped",
        0x04..=0x07 => "read or executed, where nothing is mapped",
        0x0c..=0x0f => "which the page's rights forbid",
        0x21 => "which is misaligned",
        0x10 | 0x14..=0x17 => "where nothing answers",
        0x00..=0x03 => "beyond what can be mapped",
        _ => "which did not go well",
    }
}

fn hint(fault: &Fault) -> Option<&'static str> {
    if fault.is(&[UNKNOWN]) {
        return Some("an abort (`udf`), a jump to what is no code, or code built for a newer processor");
    }
    if fault.is(&[0x19]) {
        return Some("this layer keeps no SVE state; build the guest without SVE");
    }
    if !fault.is(&[DATA_ABORT, INSTRUCTION_ABORT]) {
        return None;
    }
    Some(match fault.address {
        ..NULL_REACH => "a null pointer",
        address if is_below_stack(address) => "a stack overflow; link with a larger `__stack_size`",
        _ if fault.syndrome & STATUS == 0x21 => "an exclusive access, or one to a device, must be aligned",
        _ => return None,
    })
}
