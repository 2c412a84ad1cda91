// SPDX-License-Identifier: MIT OR Apache-2.0
//! The entry of handlers and the context of a signal on x86-64.

use std::arch::{asm, global_asm};
use std::ffi::c_void;
use std::mem::offset_of;

use libc::{
    REG_CSGSFS, REG_EFL, REG_ERR, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RAX,
    REG_RBP, REG_RBX, REG_RCX, REG_RDI, REG_RDX, REG_RIP, REG_RSI, REG_RSP, REG_TRAPNO,
};
use paravirt_host_core::fault::{AccessKind, AnyRegisters, Exception};
use paravirt_host_core::upcall;

use super::{Interrupted, STATE, SignalInfo, State};
use crate::debug::registers::{FXSAVE, General, Registers, Segments};

/// Trap flag of RFLAGS.
const TRAP_FLAG: u64 = 1 << 8;

/// Flags that user mode may change: carry, parity, auxiliary, zero, sign, direction, overflow, alignment check and
/// identification (Intel SDM volume 1, 3.4.3).
const CHANGEABLE: u64 = 0x24_0cd5;
/// Where mxcsr is in the area of `fxsave`, behind it a mask of its bits (Intel SDM volume 1, 10.5.1).
const MXCSR: usize = 24;
/// Bytes of that area which the processor uses; behind it are the kernel's.
const USED: usize = 416;

/// The general registers, in the order in which they are reported.
const GENERAL: [i32; 16] = [
    REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12,
    REG_R13, REG_R14, REG_R15,
];

impl Interrupted<'_> {
    fn register(&self, register: i32) -> u64 {
        self.0.uc_mcontext.gregs[register as usize] as u64
    }

    fn set_register(&mut self, register: i32, value: u64) {
        self.0.uc_mcontext.gregs[register as usize] = value as i64;
    }

    pub(in crate::process) fn instruction(&self) -> u64 {
        self.register(REG_RIP)
    }

    pub(in crate::process) fn stack(&self) -> u64 {
        self.register(REG_RSP)
    }

    /// For a report.
    pub(in crate::process) fn guest_registers(&self) -> AnyRegisters {
        AnyRegisters::X86(self.general())
    }

    /// The general ones.
    fn general(&self) -> General {
        General {
            general: GENERAL.map(|register| self.register(register)),
            instruction: self.instruction(),
            flags: self.register(REG_EFL),
        }
    }

    /// For an interrupt frame.
    pub(in crate::process) fn frame(&self) -> upcall::Interrupted {
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
    pub(in crate::process) fn set_result(&mut self, result: i64) {
        self.set_register(REG_RAX, result as u64);
    }

    /// Continues there.
    pub(in crate::process) fn resume(&mut self, frame: &upcall::Interrupted) {
        self.resume_at(frame.instruction);
        self.set_register(REG_RSP, frame.stack);
        self.set_register(REG_EFL, frame.flags);
        let others = self.register(REG_CSGSFS) & 0x0000_ffff_ffff_0000;
        let selectors = others | frame.stack_selector << 48 | frame.code_selector;
        self.set_register(REG_CSGSFS, selectors);
    }

    /// Continues at that instruction.
    pub(in crate::process) fn resume_at(&mut self, instruction: u64) {
        self.set_register(REG_RIP, instruction);
    }

    /// All registers.
    pub(in crate::process) fn registers(&self) -> Registers {
        let selectors = self.register(REG_CSGSFS);
        let (ds, es): (u16, u16);
        // SAFETY: reads registers, which handlers leave as they were.
        unsafe {
            asm!("mov {0:x}, ds", "mov {1:x}, es", out(reg) ds, out(reg) es, options(nomem, nostack, preserves_flags));
        }
        Registers {
            general: General {
                flags: self.register(REG_EFL) & !TRAP_FLAG,
                ..self.general()
            },
            segments: Some(Segments {
                cs: selectors as u16,
                gs: (selectors >> 16) as u16,
                fs: (selectors >> 32) as u16,
                ss: (selectors >> 48) as u16,
                ds,
                es,
            }),
            // SAFETY: if it is there, the kernel has put it on this stack.
            fxsave: unsafe { self.0.uc_mcontext.fpregs.cast::<[u8; FXSAVE]>().as_ref() }.copied(),
        }
    }

    /// Continues with these, which were others when it was interrupted; segments stay as they are.
    pub(in crate::process) fn set_registers(&mut self, registers: &Registers, before: &Registers) {
        for (register, value) in GENERAL.into_iter().zip(registers.general.general) {
            self.set_register(register, value);
        }
        self.resume_at(registers.general.instruction);
        let flags = self.register(REG_EFL) & !CHANGEABLE | registers.general.flags & CHANGEABLE;
        self.set_register(REG_EFL, flags);
        // SAFETY: as above; nobody else refers to it.
        let area = unsafe { self.0.uc_mcontext.fpregs.cast::<[u8; FXSAVE]>().as_mut() };
        if registers.fxsave != before.fxsave
            && let (Some(area), Some(fxsave)) = (area, &registers.fxsave)
        {
            area[..USED].copy_from_slice(&fxsave[..USED]);
            // What the processor does not know is refused when the handler returns.
            let (mxcsr, mask) = (MXCSR, MXCSR + 4);
            for i in 0..4 {
                area[mxcsr + i] &= before.fxsave.map_or(0, |before| before[mask + i]);
            }
        }
    }

    pub(in crate::process) fn step(&mut self) {
        let flags = self.register(REG_EFL) | TRAP_FLAG;
        self.set_register(REG_EFL, flags);
    }

    pub(in crate::process) fn stop_stepping(&mut self) {
        let flags = self.register(REG_EFL) & !TRAP_FLAG;
        self.set_register(REG_EFL, flags);
    }
}

/// The flags of code that has not changed any; of all of them, only the bit that is always 1.
const NO_FLAGS: u32 = 1 << 1;

unsafe extern "C" {
    /// The handler of every signal that is handled.
    pub(in crate::process) fn pv_signal(signal: i32, info: *mut c_void, context: *mut c_void);
    /// Where a handler returns to.
    pub(in crate::process) fn pv_return_from_signal();
}

global_asm!(
    ".pushsection .text.pv_signal, \"ax\", @progbits",
    ".globl pv_signal",
    ".type pv_signal, @function",
    "pv_signal:",
    "pushq ${no_flags}",                       // what was interrupted may be the guest, with its alignment check
    "popfq",
    "cmpq {state}+{stack}(%rip), %rsp",        // on the vCPU thread's signal stack?
    "jb 2f",
    "cmpq {state}+{stack_end}(%rip), %rsp",
    "jae 2f",
    "pushq %rbx",
    "testl $1, {state}+{fsgsbase}(%rip)",      // may user mode change fs base?
    "jz 3f",
    "rdfsbase %rbx",                           // that of what was interrupted
    "movq {state}+{host_thread_pointer}(%rip), %rax",
    "wrfsbase %rax",
    "callq {handle}",
    "wrfsbase %rbx",
    "popq %rbx",
    "retq",
    "2: jmp {handle}",                         // another thread never runs guest code
    "3: movl %fs, %ebx",                       // its selector, which the system call clears
    "subq $32, %rsp",                          // room for fs base and the arguments
    "movq %rdi, 8(%rsp)",
    "movq %rsi, 16(%rsp)",
    "movq %rdx, 24(%rsp)",
    "movl $158, %eax",                         // arch_prctl
    "movl $0x1003, %edi",                      // ARCH_GET_FS
    "movq %rsp, %rsi",
    "syscall",
    "movl $158, %eax",
    "movl $0x1002, %edi",                      // ARCH_SET_FS
    "movq {state}+{host_thread_pointer}(%rip), %rsi",
    "syscall",
    "movq 8(%rsp), %rdi",
    "movq 16(%rsp), %rsi",
    "movq 24(%rsp), %rdx",
    "callq {handle}",
    "testl %ebx, %ebx",
    "jz 4f",
    "movl %ebx, %fs",                          // with the base of its descriptor
    "jmp 5f",
    "4: movl $158, %eax",
    "movl $0x1002, %edi",
    "movq (%rsp), %rsi",
    "syscall",
    "5: addq $32, %rsp",
    "popq %rbx",
    "retq",
    ".size pv_signal, . - pv_signal",
    ".popsection",
    state = sym STATE,
    handle = sym super::handle,
    stack = const offset_of!(State, signal_stack),
    stack_end = const offset_of!(State, signal_stack_end),
    no_flags = const NO_FLAGS,
    fsgsbase = const offset_of!(State, fsgsbase),
    host_thread_pointer = const offset_of!(State, host_thread_pointer),
    options(att_syntax),
);

global_asm!(
    ".pushsection .text.pv_return_from_signal, \"ax\", @progbits",
    "nop", // unwinders look one byte before
    ".globl pv_return_from_signal",
    ".type pv_return_from_signal, @function",
    "pv_return_from_signal:", // by these bytes unwinders know it
    "movq $15, %rax",         // rt_sigreturn
    "syscall",
    ".size pv_return_from_signal, . - pv_return_from_signal",
    ".popsection",
    options(att_syntax),
);

/// `si_code` of a SIGSEGV for which the processor gave no address (Linux, asm-generic/siginfo.h): general protection,
/// and these.
const SI_KERNEL: i32 = 0x80;
/// The exception of `into` (Intel SDM volume 3, 6.3.1).
const OVERFLOW: u64 = 4;
/// The exception of `bound`.
const OUT_OF_BOUNDS: u64 = 5;

impl Interrupted<'_> {
    /// What the processor refused, by the signal that Linux makes of it.
    pub(super) fn exception(&self, signal: i32, info: &SignalInfo) -> Exception {
        let code = info.code;
        match signal {
            libc::SIGBUS if code == libc::BUS_ADRALN => Exception::AlignmentCheck,
            libc::SIGBUS if code == SI_KERNEL => Exception::StackFault,
            libc::SIGSEGV if code == SI_KERNEL => match self.register(REG_TRAPNO) {
                OVERFLOW => Exception::Overflow,
                OUT_OF_BOUNDS => Exception::OutOfBounds,
                _ => Exception::GeneralProtection,
            },
            libc::SIGSEGV | libc::SIGBUS => Exception::BadAccess {
                address: info.call.address,
                access: AccessKind::from_error_code(self.register(REG_ERR)),
            },
            libc::SIGILL => Exception::IllegalInstruction,
            libc::SIGFPE => Exception::Arithmetic,
            libc::SIGTRAP => Exception::Breakpoint,
            _ => Exception::SystemCall,
        }
    }
}

/// The thread traps behind each of its instructions from here on; the handler knows what to do with that.
#[inline(always)]
pub(in crate::process) fn step_from_here() {
    // SAFETY: sets the trap flag by way of the stack.
    unsafe { asm!("pushfq", "or dword ptr [rsp], 0x100", "popfq") };
}
