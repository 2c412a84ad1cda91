// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registers, steps and breakpoints of programs for AArch64.

use std::io;
use std::mem;
use std::ptr;

use super::{Go, Stop, Traced, check};

/// `si_code` of a breakpoint instruction (Linux, asm-generic/siginfo.h: TRAP_BRKPT).
const BREAKPOINT: i32 = 1;
/// Of a breakpoint of the processor's (TRAP_HWBKPT).
const HARDWARE_BREAKPOINT: i32 = 4;
/// Of a single step: TRAP_TRACE, and SI_USER behind a system call.
const STEPS: [i32; 2] = [2, 0];

/// Sets of registers (Linux, linux/elf.h).
const NT_PRSTATUS: usize = 1;
const NT_ARM_HW_BREAK: usize = 0x402;

/// A breakpoint: the processor's, for the traced thread alone, since others may be in the same code.
#[derive(Debug)]
pub struct Laid {
    address: u64,
}

/// The processor's breakpoints as the kernel takes them (Linux, `struct user_hwdebug_state`).
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Breakpoints {
    information: u64,
    breakpoints: [Breakpoint; BREAKPOINTS],
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Breakpoint {
    address: u64,
    control: u64,
}

/// As many as each processor has (Arm ARM, ID_AA64DFR0_EL1.BRPs).
const BREAKPOINTS: usize = 2;
/// In user mode, at all four bytes, on (Arm ARM, DBGBCR_EL1).
const ON: u64 = 0b1111 << 5 | 0b10 << 1 | 1;
/// Instructions at most between a load of a word that becomes reserved and the store that needs it so.
const RESERVED: u64 = 16;

/// The kernel's code in the process lies at the end of its addresses, the program's own far below.
const KERNEL_CODE: u64 = 1 << 40;

impl Traced {
    /// The request by which it goes on.
    pub(super) fn prepare(&mut self, go: Go, signal: i32) -> io::Result<libc::c_uint> {
        if go == Go::On {
            return Ok(libc::PTRACE_CONT);
        }
        if signal == 0 {
            let exits = self.exits(self.instruction()?)?;
            if !exits.is_empty() {
                self.set_breakpoints(&exits)?;
                self.steps_over = true;
                return Ok(libc::PTRACE_CONT);
            }
        }
        Ok(libc::PTRACE_SINGLESTEP)
    }

    /// Where a sequence ends that begins at this instruction and that steps would have begin anew for ever; none if no
    /// such begins: with a load that reserves the word, where each step takes the reservation away; a function of the
    /// kernel's that reads a clock, where the clock is set anew before it has been read.
    fn exits(&self, start: u64) -> io::Result<Vec<u64>> {
        // Arm ARM, C4.1, Loads and Stores, exclusive register and pair.
        let is_exclusive = |word: u32, load: u32| word & 0x3fc0_0000 == 0x0800_0000 | load << 22;
        if start >= KERNEL_CODE {
            return Ok(vec![self.registers()?.regs[30]]);
        }
        let mut exits = Vec::new();
        if !is_exclusive(self.word(start)?, 1) {
            return Ok(exits);
        }
        for address in (start..).step_by(4).take(RESERVED as usize).skip(1) {
            let word = self.word(address)?;
            if is_exclusive(word, 0) {
                // Behind a branch back after a store that failed too: how often it is taken is chance.
                let next = address + 4;
                let is_again = branch(self.word(next)?, next) == Some(start);
                exits.push(if is_again { next + 4 } else { next });
                return Ok(exits);
            }
            exits.extend(branch(word, address));
        }
        Err(io::Error::other(format!("no end of the sequence at {start:#x}")))
    }

    /// Why it stands, by the signal that has stopped it, and the `si_code` of that.
    pub(super) fn reason(&mut self, signal: i32, code: i32) -> io::Result<Stop> {
        let stepped_over = mem::take(&mut self.steps_over);
        if stepped_over {
            self.set_breakpoints(&[])?;
        }
        Ok(match (signal, code) {
            (libc::SIGTRAP, BREAKPOINT) => {
                let mut registers = self.registers()?;
                registers.pc += 4;
                self.set_registers(registers)?;
                Stop::Breakpoint
            }
            (libc::SIGTRAP, HARDWARE_BREAKPOINT) if stepped_over => Stop::Step,
            (libc::SIGTRAP, HARDWARE_BREAKPOINT) => Stop::Breakpoint,
            (libc::SIGTRAP, code) if STEPS.contains(&code) => Stop::Step,
            (libc::SIGTRAP, libc::SIGTRAP) => Stop::Handler,
            _ => Stop::Signal(signal),
        })
    }

    /// A request for a set of registers.
    fn transfer<T>(&self, request: libc::c_uint, set: usize, data: &mut T) -> io::Result<()> {
        let mut place = libc::iovec {
            iov_base: ptr::from_mut(data).cast(),
            iov_len: size_of::<T>(),
        };
        // SAFETY: a live variable of the set's layout, or the beginning of that.
        check(unsafe { libc::ptrace(request, self.process, set, &raw mut place) }).map(drop)
    }

    fn registers(&self) -> io::Result<libc::user_regs_struct> {
        // SAFETY: numbers.
        let mut registers: libc::user_regs_struct = unsafe { mem::zeroed() };
        self.transfer(libc::PTRACE_GETREGSET, NT_PRSTATUS, &mut registers)?;
        Ok(registers)
    }

    fn set_registers(&self, mut registers: libc::user_regs_struct) -> io::Result<()> {
        self.transfer(libc::PTRACE_SETREGSET, NT_PRSTATUS, &mut registers)
    }

    /// These breakpoints and no others.
    fn set_breakpoints(&self, addresses: &[u64]) -> io::Result<()> {
        let mut all = Breakpoints::default();
        if addresses.len() > BREAKPOINTS {
            return Err(io::Error::other(format!("too many breakpoints: {addresses:x?}")));
        }
        for (breakpoint, &address) in all.breakpoints.iter_mut().zip(addresses) {
            *breakpoint = Breakpoint { address, control: ON };
        }
        self.transfer(libc::PTRACE_SETREGSET, NT_ARM_HW_BREAK, &mut all)
    }

    /// Address of its next instruction. It must stand.
    ///
    /// # Errors
    /// It does not.
    pub fn instruction(&self) -> io::Result<u64> {
        Ok(self.registers()?.pc)
    }

    /// What it has in w0 and w1. It must stand.
    ///
    /// # Errors
    /// It does not.
    pub fn words(&self) -> io::Result<[u32; 2]> {
        let registers = self.registers()?;
        Ok([0, 1].map(|number| registers.regs[number] as u32))
    }

    /// Puts a word into its x0. It must stand.
    ///
    /// # Errors
    /// It does not.
    pub fn answer(&self, word: u32) -> io::Result<()> {
        let mut registers = self.registers()?;
        registers.regs[0] = word.into();
        self.set_registers(registers)
    }

    /// Lays a breakpoint at `address`. There can be one at a time.
    ///
    /// # Errors
    /// The system has none.
    pub fn lay_breakpoint(&self, address: u64) -> io::Result<Laid> {
        self.set_breakpoints(&[address])?;
        Ok(Laid { address })
    }

    /// Takes it away again. Returns whether the program has come to it, whose instruction is the next one then.
    ///
    /// # Errors
    /// The program does not stand.
    pub fn lift_breakpoint(&self, laid: Laid) -> io::Result<bool> {
        self.set_breakpoints(&[])?;
        Ok(self.instruction()? == laid.address)
    }
}

/// Where an instruction at `address` branches to if it does by a condition or a register's being zero (Arm ARM, C4.1,
/// Branches).
fn branch(instruction: u32, address: u64) -> Option<u64> {
    let is_branch = instruction & 0xff00_0010 == 0x5400_0000 || instruction & 0x7e00_0000 == 0x3400_0000;
    let offset = (instruction << 8) as i32 >> 13 << 2;
    is_branch.then(|| address.wrapping_add_signed(offset.into()))
}
