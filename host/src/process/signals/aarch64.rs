// SPDX-License-Identifier: MIT OR Apache-2.0
//! The entry of handlers and the context of a signal on AArch64.

use std::arch::global_asm;
use std::ffi::c_void;
use std::mem::offset_of;
use std::ptr;

use paravirt_abi::aarch64::{FPSIMD_MAGIC, RT_SIGRETURN};
use paravirt_host_core::fault::{Aarch64Registers, AccessKind, AnyRegisters, Exception};
use paravirt_host_core::upcall;

use super::{Interrupted, STATE, SignalInfo, State};
use crate::debug::registers::Registers;

/// The record of floating-point state in a context (Linux, asm/sigcontext.h).
#[repr(C)]
struct FloatingPoint {
    head: Head,
    fpsr: u32,
    fpcr: u32,
    vectors: [u128; 32],
}

/// The record of a fault's syndrome, which is there if an access was refused.
#[repr(C)]
struct Syndrome {
    head: Head,
    esr: u64,
}

/// What each record begins with.
#[derive(Clone, Copy)]
#[repr(C)]
struct Head {
    magic: u32,
    size: u32,
}

/// `ESR_MAGIC`
const ESR_MAGIC: u32 = 0x4553_5201;
/// Bytes in which the kernel puts records.
const ROOM: usize = 4096;

impl Interrupted<'_> {
    pub(in crate::process) const fn instruction(&self) -> u64 {
        self.0.uc_mcontext.pc
    }

    pub(in crate::process) const fn stack(&self) -> u64 {
        self.0.uc_mcontext.sp
    }

    /// For a report.
    pub(in crate::process) const fn guest_registers(&self) -> AnyRegisters {
        let context = &self.0.uc_mcontext;
        AnyRegisters::Aarch64(Aarch64Registers {
            general: context.regs,
            stack: context.sp,
            instruction: context.pc,
            flags: context.pstate,
        })
    }

    /// For an interrupt frame.
    pub(in crate::process) fn frame(&self) -> upcall::Interrupted {
        let context = &self.0.uc_mcontext;
        // SAFETY: the kernel writes such a record under that number.
        let floating_point = unsafe { self.record::<FloatingPoint>(FPSIMD_MAGIC).as_ref() };
        let (fpsr, fpcr, vectors) =
            floating_point.map_or((0, 0, [0; 32]), |record| (record.fpsr, record.fpcr, record.vectors));
        upcall::Interrupted {
            instruction: context.pc,
            stack: context.sp,
            flags: context.pstate,
            general: context.regs,
            vectors,
            fpsr,
            fpcr,
            // SAFETY: its first word is what Linux has of it.
            signal_mask: unsafe { (&raw const self.0.uc_sigmask).cast::<u64>().read() },
        }
    }

    /// The record of that number, null if there is none.
    fn record<T>(&self, magic: u32) -> *const T {
        let context = &raw const self.0.uc_mcontext;
        // The room for records is the context's last member, aligned to 16 bytes.
        let records = context
            .wrapping_byte_add(size_of::<libc::mcontext_t>())
            .wrapping_byte_sub(ROOM);
        let mut at = 0;
        while at + size_of::<T>() <= ROOM {
            let record = records.wrapping_byte_add(at);
            // SAFETY: inside the room, where the kernel has put records one behind the other, and one of size 0 behind
            // the last.
            let head = unsafe { record.cast::<Head>().read() };
            if head.magic == magic {
                return record.cast();
            }
            if head.size == 0 {
                break;
            }
            at += head.size as usize;
        }
        ptr::null()
    }

    /// Gives the interrupted system call that result.
    pub(in crate::process) const fn set_result(&mut self, result: i64) {
        self.0.uc_mcontext.regs[0] = result as u64;
    }

    /// Continues there.
    pub(in crate::process) const fn resume(&mut self, frame: &upcall::Interrupted) {
        self.resume_at(frame.instruction);
        self.0.uc_mcontext.sp = frame.stack;
        self.0.uc_mcontext.pstate = frame.flags;
    }

    /// Continues at that instruction.
    pub(in crate::process) const fn resume_at(&mut self, instruction: u64) {
        self.0.uc_mcontext.pc = instruction;
    }

    /// What the processor refused, by the signal that Linux makes of it.
    pub(super) fn exception(&self, signal: i32, info: &SignalInfo) -> Exception {
        match signal {
            libc::SIGBUS if info.code == libc::BUS_ADRALN => Exception::AlignmentCheck,
            libc::SIGSEGV | libc::SIGBUS => {
                let address = info.call.address;
                Exception::BadAccess {
                    address,
                    access: self.access(address),
                }
            }
            libc::SIGILL => Exception::IllegalInstruction,
            libc::SIGFPE => Exception::Arithmetic,
            libc::SIGTRAP => Exception::Breakpoint,
            _ => Exception::SystemCall,
        }
    }

    /// How memory was accessed.
    fn access(&self, address: u64) -> AccessKind {
        /// The class of an exception, and those of them that come from fetching (Arm ARM, ESR_EL1).
        const CLASS: u64 = 26;
        const FETCH: u64 = 0x20;
        /// Of an access to data, that it wrote.
        const WRITE: u64 = 1 << 6;
        // SAFETY: the kernel writes such a record under that number.
        let syndrome = unsafe { self.record::<Syndrome>(ESR_MAGIC).as_ref() };
        match syndrome.map(|record| record.esr) {
            Some(esr) if esr >> CLASS == FETCH => AccessKind::Execute,
            Some(esr) if esr & WRITE != 0 => AccessKind::Write,
            Some(_) => AccessKind::Read,
            // Who acts as Linux may have no such record.
            None if address == self.instruction() => AccessKind::Execute,
            None => self.access_of_instruction(),
        }
    }

    /// How the instruction accesses memory that was interrupted there, if it has: of nearly all loads and stores, one
    /// bit tells (Arm ARM, C4.1, Loads and Stores).
    fn access_of_instruction(&self) -> AccessKind {
        const LOAD: u32 = 1 << 22;
        // SAFETY: the processor has executed it there.
        let word = unsafe { (self.instruction() as *const u32).read() };
        if word & LOAD == 0 {
            AccessKind::Write
        } else {
            AccessKind::Read
        }
    }

    /// All registers, for a debugger: of which there is none on this processor.
    pub(in crate::process) fn registers(&self) -> Registers {
        unreachable!("{NO_STEPS}")
    }

    /// Continues with these, which were others when it was interrupted.
    pub(in crate::process) fn set_registers(&mut self, _: &Registers, _: &Registers) {
        unreachable!("{NO_STEPS}")
    }

    /// The next instruction is to trap.
    pub(in crate::process) fn step(&mut self) {
        unreachable!("{NO_STEPS}")
    }

    /// The next instruction is not to trap: none ever is.
    pub(in crate::process) const fn stop_stepping(&mut self) {}
}

const NO_STEPS: &str = "a guest that would be stepped is refused";

/// The thread traps behind each of its instructions from here on.
pub(in crate::process) fn step_from_here() {
    unreachable!("{NO_STEPS}")
}

unsafe extern "C" {
    /// The handler of every signal that is handled.
    pub(in crate::process) fn pv_signal(signal: i32, info: *mut c_void, context: *mut c_void);
    /// Where a handler returns to.
    pub(in crate::process) fn pv_return_from_signal();
}

global_asm!(
    ".pushsection .text.pv_signal, \"ax\", @progbits",
    ".balign 4",
    ".globl pv_signal",
    ".type pv_signal, @function",
    "pv_signal:",
    "msr fpcr, xzr",                           // the guest's is in the context, and this is what host code has
    "adrp x9, {state}",
    "add x9, x9, #:lo12:{state}",
    "mov x10, sp",                             // on the vCPU thread's signal stack?
    "ldr x11, [x9, #{stack}]",
    "cmp x10, x11",
    "b.lo 2f",
    "ldr x11, [x9, #{stack_end}]",
    "cmp x10, x11",
    "b.hs 2f",
    "stp x29, x30, [sp, #-32]!",
    "mov x29, sp",
    "mrs x10, tpidr_el0",                      // that of what was interrupted
    "str x10, [sp, #16]",
    "ldr x10, [x9, #{host_thread_pointer}]",
    "msr tpidr_el0, x10",
    "bl {handle}",
    "ldr x10, [sp, #16]",
    "msr tpidr_el0, x10",
    "ldp x29, x30, [sp], #32",
    "ret",
    "2:  b {handle}",                          // another thread never runs guest code
    ".size pv_signal, . - pv_signal",
    ".popsection",
    ".pushsection .text.pv_return_from_signal, \"ax\", @progbits",
    ".balign 4",
    "nop", // unwinders look one instruction before
    ".globl pv_return_from_signal",
    ".type pv_return_from_signal, @function",
    "pv_return_from_signal:", // by these instructions unwinders know it
    "mov x8, #{rt_sigreturn}",
    "svc #0",
    ".size pv_return_from_signal, . - pv_return_from_signal",
    ".popsection",
    state = sym STATE,
    handle = sym super::handle,
    stack = const offset_of!(State, signal_stack),
    stack_end = const offset_of!(State, signal_stack_end),
    host_thread_pointer = const offset_of!(State, host_thread_pointer),
    rt_sigreturn = const RT_SIGRETURN,
);
