// SPDX-License-Identifier: MIT OR Apache-2.0
//! The registers of code that a signal interrupted.

use libc::{
    REG_CSGSFS, REG_EFL, REG_ERR, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14,
    REG_R15, REG_RAX, REG_RBP, REG_RBX, REG_RCX, REG_RDI, REG_RDX, REG_RIP, REG_RSI, REG_RSP,
    REG_TRAPNO,
};
use paravirt_host_core::upcall;

/// Trap flag of RFLAGS.
const TRAP_FLAG: u64 = 1 << 8;

/// The general registers, in the order in which they are reported.
const GENERAL: [i32; 16] = [
    REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8, REG_R9,
    REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
];

/// What a signal interrupted; changes take effect when its handler returns.
pub(super) struct Interrupted<'a>(pub(super) &'a mut libc::ucontext_t);

impl Interrupted<'_> {
    fn register(&self, register: i32) -> u64 {
        self.0.uc_mcontext.gregs[register as usize] as u64
    }

    fn set_register(&mut self, register: i32, value: u64) {
        self.0.uc_mcontext.gregs[register as usize] = value as i64;
    }

    pub(super) fn instruction(&self) -> u64 {
        self.register(REG_RIP)
    }

    /// The processor's error code, for faults.
    pub(super) fn error_code(&self) -> u64 {
        self.register(REG_ERR)
    }

    /// The number of a fault's exception.
    pub(super) fn vector(&self) -> u64 {
        self.register(REG_TRAPNO)
    }

    /// For a report.
    pub(super) fn general(&self) -> [u64; 16] {
        GENERAL.map(|register| self.register(register))
    }

    /// For an interrupt frame.
    pub(super) fn frame(&self) -> upcall::Interrupted {
        let selectors = self.register(REG_CSGSFS);
        upcall::Interrupted {
            instruction: self.instruction(),
            stack: self.register(REG_RSP),
            flags: self.register(REG_EFL),
            code_selector: selectors & 0xffff,
            stack_selector: selectors >> 48,
        }
    }

    /// Gives the interrupted system call that result.
    pub(super) fn set_result(&mut self, result: i64) {
        self.set_register(REG_RAX, result as u64);
    }

    /// Continues there.
    pub(super) fn resume(&mut self, frame: &upcall::Interrupted) {
        self.resume_at(frame.instruction);
        self.set_register(REG_RSP, frame.stack);
        self.set_register(REG_EFL, frame.flags);
        let others = self.register(REG_CSGSFS) & 0x0000_ffff_ffff_0000;
        let selectors = others | frame.stack_selector << 48 | frame.code_selector;
        self.set_register(REG_CSGSFS, selectors);
    }

    /// Continues at that instruction.
    pub(super) fn resume_at(&mut self, instruction: u64) {
        self.set_register(REG_RIP, instruction);
    }

    pub(super) fn stop_stepping(&mut self) {
        let flags = self.register(REG_EFL) & !TRAP_FLAG;
        self.set_register(REG_EFL, flags);
    }
}
