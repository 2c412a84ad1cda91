// SPDX-License-Identifier: MIT OR Apache-2.0
//! The terminal is in raw mode while a guest reads from it, and as it was on every way out.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use super::guests::{Running, each, pvhost, wait_for, with_usual_signals};

/// A terminal that controls nobody: the keyboard's end, and the program's.
pub fn terminal() -> (File, File) {
    let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&keyboard).expect("a terminal");
    unlockpt(&keyboard).expect("a terminal");
    let name = ptsname(&keyboard, Vec::new()).expect("a terminal");
    let terminal = File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open(name.to_str().expect("a path"))
        .expect("a terminal");
    (keyboard.into(), terminal)
}

/// A guest on a terminal of its own.
pub struct Session {
    /// Our end of the terminal.
    keyboard: File,
    /// The guest's end, held open so that its settings can be looked at to the last.
    terminal: OwnedFd,
    pub child: Running,
}

impl Session {
    fn start(guest: &Path, arguments: &[&str]) -> Self {
        Self::start_command(pvhost(guest, &[], arguments))
    }

    /// Starts a program as the leader of a session on a terminal of its own.
    pub fn start_command(mut command: Command) -> Self {
        let (keyboard, terminal) = terminal();
        let handle = || terminal.try_clone().expect("a second handle");
        command.stdin(handle()).stdout(handle());
        command.stderr(Stdio::null());
        with_usual_signals(&mut command);
        // SAFETY: two system calls, which a forked child may make: a session of its own, with this terminal.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                match libc::ioctl(0, libc::TIOCSCTTY, 0) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        let child = Running::start(&mut command);
        Self {
            keyboard,
            terminal: terminal.into(),
            child,
        }
    }

    /// Returns whether the terminal is in raw mode: no line editing, no echo.
    fn raw(&self) -> bool {
        let modes = tcgetattr(self.terminal.as_fd()).expect("a terminal").local_modes;
        assert!(modes.contains(LocalModes::ISIG), "Ctrl-C stays a signal");
        let editing = modes.contains(LocalModes::ICANON);
        assert_eq!(editing, modes.contains(LocalModes::ECHO), "both or none");
        !editing
    }

    pub fn wait_until_raw(&self) {
        wait_for("raw mode", || self.raw());
    }

    pub fn press(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).expect("a terminal");
    }

    pub fn signal(&self, signal: i32) {
        self.child.signal(signal);
    }

    /// Waits for the end; the terminal must be as it was.
    pub fn end(mut self) -> ExitStatus {
        let status = self.child.ends();
        assert!(!self.raw(), "the terminal was left in raw mode: {status}");
        status
    }

    /// Reads from the screen until `text` has appeared.
    pub fn expect(&mut self, text: &str) {
        self.expect_all(&[text]);
    }

    /// Until all of them have appeared, in any order: of two programs nobody knows who writes first.
    fn expect_all(&mut self, texts: &[&str]) {
        let mut seen = String::new();
        let mut chunk = [0; 256];
        while !texts.iter().all(|text| seen.contains(text)) {
            let count = self.keyboard.read(&mut chunk).expect("a terminal");
            seen += &String::from_utf8_lossy(&chunk[..count]);
        }
    }
}

#[test]
fn keys_arrive_at_once_and_ctrl_d_ends_the_guest() {
    for (arch, guest) in each("echo") {
        let mut session = Session::start(&guest, &[]);
        session.wait_until_raw();
        session.press(b"x");
        // No newline was needed, and what is seen is the guest's echo.
        session.expect("x");
        session.press(b"\x04");
        assert_eq!(session.end().code(), Some(0), "{arch}");
    }
}

/// Signals that end a program, which it can catch; of those without a name one in the middle: the host has uses for the
/// last.
pub const DEADLY: [i32; 18] = [
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGQUIT,
    libc::SIGABRT,
    libc::SIGALRM,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGIO,
    libc::SIGPROF,
    libc::SIGPWR,
    libc::SIGSEGV,
    libc::SIGSYS,
    libc::SIGUSR1,
    libc::SIGVTALRM,
    libc::SIGXCPU,
    libc::SIGXFSZ,
    40,
];

#[test]
fn signals_restore_the_terminal() {
    for (arch, guest) in each("echo") {
        let mut session = Session::start(&guest, &[]);
        session.wait_until_raw();
        session.press(b"\x03");
        assert_eq!(session.end().signal(), Some(libc::SIGINT), "{arch}: Ctrl-C");
        for signal in DEADLY {
            let session = Session::start(&guest, &[]);
            session.wait_until_raw();
            session.signal(signal);
            assert_eq!(session.end().signal(), Some(signal), "{arch}");
        }
    }
}

#[test]
fn ctrl_z_gives_the_terminal_back_and_takes_it_again() {
    for (arch, guest) in each("echo") {
        // A shell with job control; a session leader's own group could not be stopped.
        let mut shell = Command::new("sh");
        shell
            .args(["-mc", "\"$0\" run --timeout 60 \"$1\"; echo stopped; read line; fg"])
            .args([env!("CARGO_BIN_EXE_pvhost").as_ref(), guest.as_os_str()]);
        let mut session = Session::start_command(shell);
        session.wait_until_raw();
        session.press(b"\x1a");
        session.expect("stopped");
        assert!(!session.raw(), "{arch}: the shell has its terminal back");
        session.press(b"\n");
        session.wait_until_raw();
        session.press(b"\x04");
        assert_eq!(session.end().code(), Some(0), "{arch}");
    }
}

/// A shell with job control on a terminal of its own; its script finds `pvhost run --timeout 60 GUEST` in `"$@"`.
pub fn shell(script: &str, command: &Command) -> Session {
    let mut shell = Command::new("sh");
    shell.args(["-mc", script, "sh"]).arg(command.get_program());
    shell.args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            shell.env(name, value);
        }
    }
    Session::start_command(shell)
}

/// What was begun in the background leaves the terminal alone until it is brought forward.
pub fn comes_forward(what: &str, command: &Command) {
    let script = "\"$@\" & echo begun; read line; fg";
    let mut session = shell(script, command);
    session.expect_all(&["begun", "Ctrl-D ends"]);
    assert!(!session.raw(), "{what}: the terminal is the shell's");
    // The shell gets its line.
    session.press(b"line\n");
    session.wait_until_raw();
    session.press(b"x");
    session.expect("x");
    session.press(b"\x04");
    assert_eq!(session.end().code(), Some(0), "{what}");
}

/// Stopped, sent on in the background, and brought forward.
pub fn goes_back_and_forth(what: &str, command: &Command) {
    let script = "\"$@\"; echo stopped; read line; bg; echo going; read line; fg";
    let mut session = shell(script, command);
    session.wait_until_raw();
    session.expect("Ctrl-D ends");
    for round in ["stopped", "going"] {
        if round == "stopped" {
            session.press(b"\x1a");
        }
        session.expect(round);
        assert!(!session.raw(), "{what} {round}");
        session.press(b"line\n");
    }
    session.wait_until_raw();
    session.press(b"\x04");
    assert_eq!(session.end().code(), Some(0), "{what}");
}

/// It is given back as it is by then, and not as it was when the guest began.
pub fn keeps_new_settings(what: &str, command: &Command) {
    let script = "\"$@\"; stty -echoe; echo stopped; fg; stty -a";
    let mut session = shell(script, command);
    session.wait_until_raw();
    session.press(b"\x1a");
    session.expect("stopped");
    session.wait_until_raw();
    session.press(b"\x04");
    session.expect("-echoe ");
    assert_eq!(session.end().code(), Some(0), "{what}");
}

#[test]
fn a_guest_that_is_begun_in_the_background_has_the_terminal_when_it_is_brought_forward() {
    for (arch, guest) in each("echo") {
        comes_forward(&arch.to_string(), &pvhost(&guest, &[], &[]));
    }
}

#[test]
fn a_guest_that_was_sent_to_the_background_has_the_terminal_when_it_is_brought_forward() {
    for (arch, guest) in each("echo") {
        goes_back_and_forth(&arch.to_string(), &pvhost(&guest, &[], &[]));
    }
}

#[test]
fn settings_that_were_changed_meanwhile_stay() {
    for (arch, guest) in each("echo") {
        keeps_new_settings(&arch.to_string(), &pvhost(&guest, &[], &[]));
    }
}

/// It is no shell's business who reads from it.
#[test]
fn a_terminal_that_controls_nobody_is_in_raw_mode_too() {
    for (arch, guest) in each("echo") {
        let (keyboard, terminal) = terminal();
        let mut command = pvhost(&guest, &[], &[]);
        let handle = || terminal.try_clone().expect("a second handle");
        command.stdin(handle()).stdout(handle());
        let child = Running::start(&mut command);
        let mut session = Session {
            keyboard,
            terminal: terminal.into(),
            child,
        };
        session.wait_until_raw();
        session.press(b"\x04");
        assert_eq!(session.end().code(), Some(0), "{arch}");
    }
}

#[test]
fn a_guest_that_does_not_read_leaves_the_terminal_alone() {
    for (arch, guest) in each("fault") {
        let mut session = Session::start(&guest, &["hang"]);
        // By then it has been started, and asks for nothing more.
        session.expect("hanging");
        assert!(!session.raw(), "{arch}");
        session.signal(libc::SIGTERM);
        assert_eq!(session.end().signal(), Some(libc::SIGTERM), "{arch}");
    }
}
