// SPDX-License-Identifier: MIT OR Apache-2.0
//! The registers of code that a signal interrupted.

use libc::{
    REG_CSGSFS, REG_EFL, REG_ERR, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14,
    REG_R15, REG_RAX, REG_RBP, REG_RBX, REG_RCX, REG_RDI, REG_RDX, REG_RIP, REG_RSI, REG_RSP,
};
use paravirt_abi::signature::Width;
use paravirt_host_core::explain::Registers;
use paravirt_host_core::upcall;

use super::gate;
use super::state::{CODE_32, CODE_64, DATA, GUEST_END};

/// Trap flag of RFLAGS.
const TRAP_FLAG: u64 = 1 << 8;
/// Alignment check, direction and trap flag: off in host code.
const UNWANTED_FLAGS: u64 = 1 << 18 | 1 << 10 | TRAP_FLAG;

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

    pub(super) fn stack(&self) -> u64 {
        self.register(REG_RSP)
    }

    fn flags(&self) -> u64 {
        self.register(REG_EFL)
    }

    /// The processor's error code, for faults.
    pub(super) fn error_code(&self) -> u64 {
        self.register(REG_ERR)
    }

    fn code_selector(&self) -> u16 {
        self.register(REG_CSGSFS) as u16
    }

    fn stack_selector(&self) -> u16 {
        (self.register(REG_CSGSFS) >> 48) as u16
    }

    /// For a report.
    pub(super) fn registers(&self) -> Registers {
        Registers {
            general: GENERAL.map(|register| self.register(register)),
            instruction: self.instruction(),
            flags: self.flags(),
        }
    }

    /// For an interrupt frame.
    pub(super) fn frame(&self) -> upcall::Interrupted {
        upcall::Interrupted {
            instruction: self.instruction(),
            stack: self.stack(),
            flags: self.flags(),
            code_selector: self.code_selector().into(),
            stack_selector: self.stack_selector().into(),
        }
    }

    /// Whether code of a guest of that width was interrupted. Of a 32-bit guest, the landings in low memory are 64-bit code and
    /// already the host's.
    pub(super) fn in_guest(&self, width: Width) -> bool {
        let selector = match width {
            Width::Bits32 => CODE_32,
            Width::Bits64 => CODE_64,
        };
        self.instruction() < GUEST_END && self.code_selector() == selector
    }

    /// Continues at `instruction` with that stack pointer.
    pub(super) fn redirect(&mut self, instruction: u64, stack: u64) {
        self.set_register(REG_RIP, instruction);
        self.set_register(REG_RSP, stack);
    }

    /// Leaves the guest if the interrupted code is the guest's or a gate's own; other host code finds out by itself.
    pub(super) fn leave(&mut self) {
        if !gate::may_leave_at(self.instruction()) {
            return;
        }
        self.set_register(REG_RIP, gate::leave_address());
        let flags = self.flags() & !UNWANTED_FLAGS;
        self.set_register(REG_EFL, flags);
        let selectors = self.register(REG_CSGSFS) & 0x0000_ffff_ffff_0000;
        let selectors = selectors | u64::from(DATA) << 48 | u64::from(CODE_64);
        self.set_register(REG_CSGSFS, selectors);
    }

    pub(super) fn stop_stepping(&mut self) {
        let flags = self.flags() & !TRAP_FLAG;
        self.set_register(REG_EFL, flags);
    }
}
