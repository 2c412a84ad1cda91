// SPDX-License-Identifier: MIT OR Apache-2.0
//! The terminal is in raw mode while a guest reads from it, and as it was on every way out.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use super::guests::{each, pvhost, wait_for, with_usual_signals};

/// A guest on a terminal of its own.
pub struct Session {
    /// Our end of the terminal.
    keyboard: File,
    /// The guest's end, held open so that its settings can be looked at to the last.
    terminal: OwnedFd,
    pub child: Child,
}

impl Session {
    fn start(guest: &Path, arguments: &[&str]) -> Self {
        Self::start_command(pvhost(guest, &[], arguments))
    }

    /// Starts a program as the leader of a session on a terminal of its own.
    pub fn start_command(mut command: Command) -> Self {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&keyboard).expect("a terminal");
        unlockpt(&keyboard).expect("a terminal");
        let name = ptsname(&keyboard, Vec::new()).expect("a terminal");
        let name = Path::new(name.to_str().expect("a path")).to_owned();
        let open = || {
            File::options()
                .read(true)
                .write(true)
                .open(&name)
                .expect("a terminal")
        };
        let terminal: OwnedFd = open().into();
        command.stdin(open()).stdout(open()).stderr(Stdio::null());
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
        let child = command.spawn().expect("pvhost starts");
        Self {
            keyboard: keyboard.into(),
            terminal,
            child,
        }
    }

    /// Whether the terminal is in raw mode: no line editing, no echo.
    fn raw(&self) -> bool {
        let modes = tcgetattr(self.terminal.as_fd())
            .expect("a terminal")
            .local_modes;
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
        // SAFETY: no pointers; the child has not been waited for.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }

    /// Waits for the end; the terminal must be as it was.
    pub fn end(mut self) -> ExitStatus {
        let status = self.child.wait().expect("it ends");
        assert!(!self.raw(), "the terminal was left in raw mode: {status}");
        status
    }

    /// Reads from the screen until `text` has appeared.
    pub fn expect(&mut self, text: &str) {
        let mut seen = Vec::new();
        let mut chunk = [0; 256];
        while !String::from_utf8_lossy(&seen).contains(text) {
            let count = self.keyboard.read(&mut chunk).expect("a terminal");
            seen.extend_from_slice(&chunk[..count]);
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

#[test]
fn signals_restore_the_terminal() {
    for (arch, guest) in each("echo") {
        let mut session = Session::start(&guest, &[]);
        session.wait_until_raw();
        session.press(b"\x03");
        assert_eq!(session.end().signal(), Some(libc::SIGINT), "{arch}: Ctrl-C");
        for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGSEGV] {
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
            .args([
                "-mc",
                "\"$0\" run --timeout 60 \"$1\"; echo stopped; read line; fg",
            ])
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
