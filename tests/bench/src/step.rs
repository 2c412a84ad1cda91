// SPDX-License-Identifier: MIT OR Apache-2.0
//! Instructions between two breakpoint instructions of a program, its libraries included, by single steps. What a gate
//! executes is in two programs at once, guest and host, and valgrind can run neither such a process nor far jumps.

use std::io;
use std::mem;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::ptr;

use anyhow::{Context, Result, bail};

/// `si_code` of a breakpoint instruction (Linux, asm-generic/siginfo.h: SI_KERNEL).
const BREAKPOINT: i32 = 0x80;
/// `si_code` of a single step (TRAP_TRACE).
const STEP: i32 = 2;

/// Runs `command`; for each pair of breakpoint instructions, the number of instructions between them.
///
/// # Errors
/// The program cannot be traced or fails.
pub fn counts(command: &mut Command) -> Result<Vec<u64>> {
    // SAFETY: one system call, which may be made between fork and exec.
    unsafe {
        command.pre_exec(|| check(libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0)).map(drop));
    }
    let child = command
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot trace {command:?}"))?;
    let process = libc::pid_t::try_from(child.id())?;
    let mut counts = Vec::new();
    let mut counting = None;
    loop {
        let status = wait(process)?;
        if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0 {
            return Ok(counts);
        }
        if !libc::WIFSTOPPED(status) {
            bail!("{command:?} ended under single steps with status {status:#x}");
        }
        let mut signal = libc::WSTOPSIG(status);
        if signal == libc::SIGTRAP {
            counting = match (signal_code(process)?, counting) {
                (BREAKPOINT, None) => Some(0),
                (BREAKPOINT, Some(count)) => {
                    counts.push(count);
                    None
                }
                (STEP, Some(count)) => Some(count + 1),
                // The program has just been started.
                (_, before) => before,
            };
            signal = 0;
        }
        resume(process, counting.is_some(), signal)?;
    }
}

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// The status of the traced process when it stops or ends.
fn wait(process: libc::pid_t) -> io::Result<i32> {
    let mut status = 0;
    // SAFETY: a live variable.
    check(unsafe { libc::waitpid(process, &mut status, 0) }.into())?;
    Ok(status)
}

/// The code of the signal that has stopped the traced process.
fn signal_code(process: libc::pid_t) -> io::Result<i32> {
    // SAFETY: numbers and null pointers, for which zero is valid.
    let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
    // SAFETY: a live variable of the type that the request fills in.
    check(unsafe {
        libc::ptrace(
            libc::PTRACE_GETSIGINFO,
            process,
            ptr::null_mut::<libc::c_void>(),
            &raw mut info,
        )
    })?;
    Ok(info.si_code)
}

/// Lets the traced process run on, for one instruction or until its next signal, after it has got `signal` (0: none).
fn resume(process: libc::pid_t, single_step: bool, signal: i32) -> io::Result<()> {
    let request = if single_step {
        libc::PTRACE_SINGLESTEP
    } else {
        libc::PTRACE_CONT
    };
    // SAFETY: these requests take numbers.
    check(unsafe { libc::ptrace(request, process, 0_usize, signal as usize) }).map(drop)
}
