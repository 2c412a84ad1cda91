// SPDX-License-Identifier: MIT OR Apache-2.0
//! A program under ptrace, which stops after each instruction, at breakpoints, and before a signal is delivered.
//!
//! It stands on nothing that is large, since it also runs where there is only a kernel.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

#[cfg(target_arch = "aarch64")]
mod aarch64;
pub mod command;
pub mod signals;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use std::fs::{self, File};
use std::io;
use std::mem;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus};
use std::ptr;
use std::time::Duration;

#[cfg(target_arch = "aarch64")]
pub use aarch64::Laid;
#[cfg(target_arch = "x86_64")]
pub use x86_64::Laid;

/// How often is looked whether a program sleeps.
const LOOK: Duration = Duration::from_micros(50);

/// A traced program. It is killed with this value.
#[derive(Debug)]
pub struct Traced {
    process: libc::pid_t,
    memory: File,
    ended: bool,
    /// Whether it steps over several instructions at once.
    #[cfg(target_arch = "aarch64")]
    steps_over: bool,
}

/// Why a program stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// After an instruction.
    Step,
    /// Behind a breakpoint instruction of its own, or at a breakpoint that was [laid](Traced::lay_breakpoint).
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
            #[cfg(target_arch = "aarch64")]
            steps_over: false,
        })
    }

    /// Lets the program go on, after it has got `signal` (0: none).
    ///
    /// # Errors
    /// It has ended.
    pub fn go(&mut self, go: Go, signal: i32) -> io::Result<()> {
        let request = self.prepare(go, signal)?;
        // SAFETY: these requests take numbers.
        check(unsafe { libc::ptrace(request, self.process, 0_usize, signal as usize) }).map(drop)
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
        // SAFETY: numbers and null pointers, for which zero is valid.
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        self.fill(libc::PTRACE_GETSIGINFO, 0, &mut info)?;
        self.reason(libc::WSTOPSIG(status), info.si_code)
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

    /// Sends its first thread, which is the one that is traced, a signal.
    ///
    /// # Errors
    /// It has ended.
    pub fn send(&self, signal: i32) -> io::Result<()> {
        // SAFETY: numbers. It has not been waited for, so the number is still its own.
        check(unsafe { libc::syscall(libc::SYS_tgkill, self.process, self.process, signal) }).map(drop)
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
