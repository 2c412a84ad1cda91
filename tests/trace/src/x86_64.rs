// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registers, steps and breakpoints of programs for x86-64 and i386.

use std::io;
use std::mem;
use std::os::unix::fs::FileExt;

use super::{Go, Stop, Traced};

/// `si_code` of a breakpoint instruction (Linux, asm-generic/siginfo.h: SI_KERNEL).
const BREAKPOINT: i32 = 0x80;
/// `si_code` of a single step: TRAP_BRKPT behind a system call, TRAP_TRACE behind anything else.
const STEPS: [i32; 2] = [1, 2];
/// `int3`
const INT3: u8 = 0xcc;

/// A breakpoint: an instruction laid over the program's code.
#[derive(Debug)]
pub struct Laid {
    address: u64,
    byte: u8,
}

impl Traced {
    /// The request by which it goes on.
    pub(super) fn prepare(&self, go: Go, signal: i32) -> io::Result<libc::c_uint> {
        if go == Go::On || signal != 0 {
            self.clear_trap_flag()?;
        }
        Ok(match go {
            Go::Step => libc::PTRACE_SINGLESTEP,
            Go::On => libc::PTRACE_CONT,
        })
    }

    /// A step of an instruction that loads the flags leaves the processor's trap flag as if the program had set it, and
    /// a handler's frame keeps it. A program that goes on may so stop at a [`Stop::Step`] once.
    fn clear_trap_flag(&self) -> io::Result<()> {
        const TRAP: u64 = 0x100;
        let mut registers = self.registers()?;
        if registers.eflags & TRAP == 0 {
            return Ok(());
        }
        registers.eflags &= !TRAP;
        self.set_registers(registers)
    }

    /// Why it stands, by the signal that has stopped it, and the `si_code` of that.
    pub(super) fn reason(&self, signal: i32, code: i32) -> io::Result<Stop> {
        Ok(match (signal, code) {
            (libc::SIGTRAP, BREAKPOINT) => Stop::Breakpoint,
            (libc::SIGTRAP, code) if STEPS.contains(&code) => Stop::Step,
            (libc::SIGTRAP, libc::SIGTRAP) => Stop::Handler,
            _ => Stop::Signal(signal),
        })
    }

    /// The registers, in the layout of a 64-bit program for one of 32 bits too. It must stand.
    ///
    /// # Errors
    /// It does not.
    pub fn registers(&self) -> io::Result<libc::user_regs_struct> {
        // SAFETY: numbers.
        let mut registers: libc::user_regs_struct = unsafe { mem::zeroed() };
        self.fill(libc::PTRACE_GETREGS, 0, &mut registers)?;
        Ok(registers)
    }

    /// Sets the registers. It must stand.
    ///
    /// # Errors
    /// It does not.
    pub fn set_registers(&self, mut registers: libc::user_regs_struct) -> io::Result<()> {
        self.fill(libc::PTRACE_SETREGS, 0, &mut registers)
    }

    /// Address of its next instruction. It must stand.
    ///
    /// # Errors
    /// It does not.
    pub fn instruction(&self) -> io::Result<u64> {
        Ok(self.registers()?.rip)
    }

    /// What it has in eax and edx. It must stand.
    ///
    /// # Errors
    /// It does not.
    pub fn words(&self) -> io::Result<[u32; 2]> {
        let registers = self.registers()?;
        Ok([registers.rax, registers.rdx].map(|register| register as u32))
    }

    /// Puts a word into its eax. It must stand.
    ///
    /// # Errors
    /// It does not.
    pub fn answer(&self, word: u32) -> io::Result<()> {
        let mut registers = self.registers()?;
        registers.rax = word.into();
        self.set_registers(registers)
    }

    /// Lays a breakpoint at `address`. There can be one at a time.
    ///
    /// # Errors
    /// There is no memory.
    pub fn lay_breakpoint(&self, address: u64) -> io::Result<Laid> {
        let mut byte = [0];
        self.memory.read_exact_at(&mut byte, address)?;
        self.memory.write_all_at(&[INT3], address)?;
        Ok(Laid { address, byte: byte[0] })
    }

    /// Takes it away again. Returns whether the program has come to it, whose instruction is the next one then.
    ///
    /// # Errors
    /// There is no memory, or the program does not stand.
    pub fn lift_breakpoint(&self, laid: Laid) -> io::Result<bool> {
        self.memory.write_all_at(&[laid.byte], laid.address)?;
        let mut registers = self.registers()?;
        let is_there = registers.rip == laid.address + 1;
        if is_there {
            registers.rip = laid.address;
            self.set_registers(registers)?;
        }
        Ok(is_there)
    }
}
