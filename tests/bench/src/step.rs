// SPDX-License-Identifier: MIT OR Apache-2.0
//! Instructions between two breakpoint instructions of a program, its libraries included, by single steps. What a gate
//! executes is in two programs at once, guest and host, and valgrind can run neither such a process nor far jumps.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use test_trace::{Go, Stop, Traced};

/// After that time a program counts as hanging.
const LIMIT: Duration = Duration::from_secs(300);

/// Signals of an instruction, which would come again if they were kept back.
const OF_INSTRUCTIONS: [i32; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGSYS];

/// Runs `command`; for each pair of breakpoint instructions, the number of instructions between them. A signal from
/// elsewhere waits for the second, so that its handler is none of them: single steps are slow enough for timers.
///
/// # Errors
/// The program cannot be traced or fails.
pub fn counts(command: &mut Command) -> Result<Vec<u64>> {
    let mut program =
        Traced::spawn(command.stdout(Stdio::null()), LIMIT).with_context(|| format!("cannot trace {command:?}"))?;
    let mut counts = Vec::new();
    let mut counting = None;
    let mut fault = None;
    let mut waiting = Vec::new();
    loop {
        let go = if counting.is_some() { Go::Step } else { Go::On };
        let signal = match (fault.take(), counting) {
            (Some(fault), _) => fault,
            (None, None) => waiting.pop().unwrap_or(0),
            (None, Some(_)) => 0,
        };
        program.go(go, signal)?;
        match program.wait()? {
            Stop::Ended(status) if status.success() => return Ok(counts),
            Stop::Ended(status) => bail!("{command:?} ended under single steps: {status}"),
            Stop::Breakpoint => match counting.take() {
                None => counting = Some(0),
                Some(count) => counts.push(count),
            },
            Stop::Step => counting = counting.map(|count| count + 1),
            Stop::Signal(number) if OF_INSTRUCTIONS.contains(&number) => fault = Some(number),
            Stop::Signal(number) => waiting.push(number),
            Stop::Handler | Stop::Asleep => {}
        }
    }
}
