// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a test is run by.
//!
//! Signals that ask to end, put off until the children have ended and what they did is written down.

use std::ffi::OsString;
use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use super::{Ending, Printed, Test};
use crate::terminal::action;

/// Knows how to run a test, and what its end means.
pub trait Launcher: Sync {
    /// The command that runs it. Its streams and its process group are the runner's.
    fn command(&self, test: &Test) -> Command;

    /// The command that prints the names of the tests that a guest holds; `None`: none are told apart.
    fn list(&self, _guest: &Test) -> Option<Command> {
        None
    }

    /// What the command's exit status means, behind what it printed.
    fn ending(&self, status: ExitStatus, printed: &Printed) -> Ending;
}

/// `pvhost run`.
#[derive(Clone, Debug)]
pub struct Pvhost {
    /// The program.
    pub program: PathBuf,
    /// Options of its subcommand `run`.
    pub options: Vec<OsString>,
}

impl Pvhost {
    fn run(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("run").args(&self.options);
        // What it says is looked at.
        command.env("NO_COLOR", "1").env_remove("CLICOLOR_FORCE");
        command
    }
}

impl Launcher for Pvhost {
    fn command(&self, test: &Test) -> Command {
        let mut command = self.run();
        command.args(test.part.is_some().then_some("--one-test"));
        command.arg("--").arg(&test.file).args(&test.part);
        command
    }

    fn list(&self, guest: &Test) -> Option<Command> {
        let mut command = self.run();
        command.args(["--one-test", "--"]).arg(&guest.file);
        Some(command)
    }

    fn ending(&self, status: ExitStatus, printed: &Printed) -> Ending {
        ending(status, printed)
    }
}

/// What the exit status of `pvhost run` means. A guest may end with any status: only with a message of the host, which
/// no guest writes to standard error, it is the host's.
#[must_use]
pub fn ending(status: ExitStatus, printed: &Printed) -> Ending {
    const FAILURE: i32 = 1;
    const USAGE: i32 = 2;
    const FAULT: i32 = 5;
    const TIMEOUT: i32 = 124;
    let says = |message: &str| {
        let mut lines = printed.messages.split(|byte| *byte == b'\n');
        lines.any(|line| line.starts_with(message.as_bytes()))
    };
    match status.code() {
        None => Ending::Host(-1),
        Some(TIMEOUT) if says("pvhost: timed out after ") => Ending::Timeout,
        Some(FAULT) if says("pvhost: guest fault: ") => Ending::Fault,
        Some(status @ (FAILURE | USAGE)) if says("pvhost: error: ") => Ending::Host(status),
        Some(status) => Ending::Stopped(status),
    }
}

/// The first that came; 0: none yet.
static CAUGHT: AtomicI32 = AtomicI32::new(0);

/// Those that are put off.
const ALL: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// As long as it lives, SIGINT, SIGTERM, SIGHUP and SIGQUIT do nothing but to be caught. Those that whoever started the
/// program wants ignored, as nohup does, stay ignored, and those that the program handles are left to it. One lives at
/// a time.
#[derive(Debug)]
pub struct Signals {
    ours: Vec<i32>,
}

impl Signals {
    /// From now on.
    #[must_use]
    pub fn put_off() -> Self {
        CAUGHT.store(0, Ordering::Relaxed);
        let is_free = |signal: &i32| action(*signal).is_some_and(|action| action.sa_sigaction == libc::SIG_DFL);
        let ours: Vec<i32> = ALL.into_iter().filter(is_free).collect();
        for &signal in &ours {
            // SAFETY: all zeros is a valid value of this C struct; the handler stores to an atomic variable and may
            // come at any instruction. A program that is started gets the default action back.
            unsafe {
                let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
                action.sa_sigaction = catch as *const () as usize;
                action.sa_flags = libc::SA_RESTART;
                libc::sigaction(signal, &action, ptr::null_mut());
            }
        }
        Self { ours }
    }

    /// The first that has come.
    #[must_use]
    pub fn caught(&self) -> Option<i32> {
        Some(CAUGHT.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for &signal in &self.ours {
            // SAFETY: no pointers; the default action runs no code of ours.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
}

extern "C" fn catch(signal: i32) {
    let _ = CAUGHT.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn a_guest_s_own_status_is_no_error_of_its_host() {
        for (code, output, messages, expected) in [
            (5, "", "", Ending::Stopped(5)),
            (5, "pvhost: guest fault: ..\n", "", Ending::Stopped(5)),
            (5, "", "pvhost: missing: ..\npvhost: guest fault: ..\n", Ending::Fault),
            (1, "", "pvhost: error: ..\n", Ending::Host(1)),
            (2, "", "pvhost: error: ..\n", Ending::Host(2)),
            (3, "", "pvhost: error: ..\n", Ending::Stopped(3)),
            (1, "", "guest: pvhost: error: ..\n", Ending::Stopped(1)),
            (124, "", "", Ending::Stopped(124)),
            (124, "", "pvhost: timed out after 60 s (--timeout)\n", Ending::Timeout),
        ] {
            let printed = Printed {
                all: format!("{output}{messages}").into(),
                output: output.into(),
                messages: messages.into(),
            };
            let status = ExitStatus::from_raw(code << 8);
            assert_eq!(ending(status, &printed), expected, "{code} {output} {messages}");
        }
        let killed = ExitStatus::from_raw(libc::SIGSEGV);
        assert_eq!(ending(killed, &Printed::default()), Ending::Host(-1));
    }
}
