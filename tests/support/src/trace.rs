// SPDX-License-Identifier: MIT OR Apache-2.0
//! A program under ptrace, which stops after each instruction, at breakpoint instructions, and before a signal is
//! delivered.

use std::fs::{self, File};
use std::io;
use std::mem;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::ptr;
use std::time::Duration;

/// `si_code` of a breakpoint instruction (Linux, asm-generic/siginfo.h: SI_KERNEL).
const BREAKPOINT: i32 = 0x80;
/// `si_code` of a single step: TRAP_BRKPT behind a system call, TRAP_TRACE behind anything else.
const STEPS: [i32; 2] = [1, 2];
/// How often is looked whether a program sleeps.
const LOOK: Duration = Duration::from_micros(50);

/// A traced program. It is killed with this value.
#[derive(Debug)]
pub struct Traced {
    process: libc::pid_t,
    memory: File,
    ended: bool,
}

/// Why a program stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// After an instruction.
    Step,
    /// Behind a breakpoint instruction.
    Breakpoint,
    /// At the first instruction of a signal's handler.
    Handler,
    /// It gets this signal when it goes on, if it is passed then.
    Signal(i32),
    /// It waits in a system call and so has not stopped. Only [`Traced::wait_or_sleep`] says so.
    Asleep,
    /// It has ended.
    Ended(ExitStatus),
}

/// How far a program goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// For one instruction.
    Step,
    /// Until something else stops it.
    On,
}

impl Traced {
    /// Starts a program, which stands before its first instruction then. It is ended by a signal after `limit`, so that
    /// no wait for it is for ever.
    ///
    /// # Errors
    /// The program cannot be started, or the system does not permit tracing.
    pub fn spawn(command: &mut Command, limit: Duration) -> io::Result<Self> {
        let seconds = u32::try_from(limit.as_secs()).map_err(io::Error::other)?;
        // SAFETY: two system calls, which may be made between fork and exec.
        unsafe {
            command.pre_exec(move || {
                // It survives exec.
                libc::alarm(seconds);
                check(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0)).map(drop)
            });
        }
        let process = libc::pid_t::try_from(command.spawn()?.id()).map_err(io::Error::other)?;
        wait_for(process, 0)?;
        Ok(Self {
            process,
            memory: File::options()
                .read(true)
                .write(true)
                .open(format!("/proc/{process}/mem"))?,
            ended: false,
        })
    }

    /// Lets the program go on, after it has got `signal` (0: none).
    ///
    /// # Errors
    /// It has ended.
    pub fn go(&self, go: Go, signal: i32) -> io::Result<()> {
        if go == Go::On || signal != 0 {
            self.clear_trap_flag()?;
        }
        let request = match go {
            Go::Step => libc::PTRACE_SINGLESTEP,
            Go::On => libc::PTRACE_CONT,
        };
        // SAFETY: these requests take numbers.
        check(unsafe { libc::ptrace(request, self.process, 0_usize, signal as usize) }).map(drop)
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

    /// Waits until it stops.
    ///
    /// # Errors
    /// It has ended before.
    pub fn wait(&mut self) -> io::Result<Stop> {
        let (_, status) = wait_for(self.process, 0)?;
        self.stop(status)
    }

    /// Waits until it stops or waits itself.
    ///
    /// # Errors
    /// It has ended before.
    pub fn wait_or_sleep(&mut self) -> io::Result<Stop> {
        loop {
            let (process, status) = wait_for(self.process, libc::WNOHANG)?;
            if process != 0 {
                return self.stop(status);
            }
            // Behind the program's name in parentheses stands its state, `S` in a system call that a signal ends.
            let state = fs::read_to_string(format!("/proc/{}/stat", self.process))?;
            if state.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S')) {
                return Ok(Stop::Asleep);
            }
            std::thread::sleep(LOOK);
        }
    }

    fn stop(&mut self, status: i32) -> io::Result<Stop> {
        if !libc::WIFSTOPPED(status) {
            self.ended = true;
            return Ok(Stop::Ended(ExitStatus::from_raw(status)));
        }
        let signal = libc::WSTOPSIG(status);
        if signal != libc::SIGTRAP {
            return Ok(Stop::Signal(signal));
        }
        // SAFETY: numbers and null pointers, for which zero is valid.
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        self.fill(libc::PTRACE_GETSIGINFO, 0, &mut info)?;
        Ok(match info.si_code {
            BREAKPOINT => Stop::Breakpoint,
            code if STEPS.contains(&code) => Stop::Step,
            libc::SIGTRAP => Stop::Handler,
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

    /// The signals that it blocks, bit 0 for signal 1. It must stand.
    ///
    /// # Errors
    /// It does not.
    pub fn blocked(&self) -> io::Result<u64> {
        let mut set = 0u64;
        self.fill(libc::PTRACE_GETSIGMASK, size_of_val(&set), &mut set)?;
        Ok(set)
    }

    /// A request that fills in `data`, or reads it.
    fn fill<T>(&self, request: libc::c_uint, address: usize, data: &mut T) -> io::Result<()> {
        // SAFETY: a live variable of the type that the request asks for.
        check(unsafe { libc::ptrace(request, self.process, address, ptr::from_mut(data)) }).map(drop)
    }

    /// A word of its memory.
    ///
    /// # Errors
    /// There is no memory.
    pub fn word(&self, address: u64) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.memory.read_exact_at(&mut bytes, address)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// Changes a word of its memory.
    ///
    /// # Errors
    /// There is no memory.
    pub fn set_word(&self, address: u64, value: u32) -> io::Result<()> {
        self.memory.write_all_at(&value.to_le_bytes(), address)
    }

    /// Lays a breakpoint instruction over the byte of its code at `address`; that byte.
    ///
    /// # Errors
    /// There is no memory.
    pub fn lay_breakpoint(&self, address: u64) -> io::Result<u8> {
        let mut byte = [0];
        self.memory.read_exact_at(&mut byte, address)?;
        self.memory.write_all_at(&[0xcc], address)?;
        Ok(byte[0])
    }

    /// Takes it away again.
    ///
    /// # Errors
    /// There is no memory.
    pub fn lift_breakpoint(&self, address: u64, byte: u8) -> io::Result<()> {
        self.memory.write_all_at(&[byte], address)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It has ended.
    pub fn send(&self, signal: i32) -> io::Result<()> {
        // SAFETY: two numbers. It has not been waited for, so the number is still its own.
        check(unsafe { libc::kill(self.process, signal) }.into()).map(drop)
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if !self.ended {
            // SAFETY: a number. It has not been waited for, so the number is still its own.
            unsafe { libc::kill(self.process, libc::SIGKILL) };
            while let Ok((_, status)) = wait_for(self.process, 0)
                && libc::WIFSTOPPED(status)
            {}
        }
    }
}

/// The process that has stopped or ended, 0 if none has, and its status.
fn wait_for(process: libc::pid_t, options: i32) -> io::Result<(libc::pid_t, i32)> {
    let mut status = 0;
    loop {
        // SAFETY: a live variable.
        match check(unsafe { libc::waitpid(process, &mut status, options) }.into()) {
            Ok(process) => {
                return Ok((libc::pid_t::try_from(process).map_err(io::Error::other)?, status));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}
