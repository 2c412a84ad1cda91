// SPDX-License-Identifier: MIT OR Apache-2.0
//! A machine under QEMU whose console is a serial line.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Instant;

use anyhow::{Context, Result};

use paravirt_build::emulators;

/// A machine that runs. It is gone when this is dropped.
#[derive(Debug)]
pub struct Machine {
    qemu: Child,
    console: ChildStdin,
    output: Receiver<Vec<u8>>,
}

/// What comes next from a machine.
#[derive(Debug)]
pub enum Event {
    /// It wrote this.
    Output(Vec<u8>),
    /// It ended by itself.
    Ended,
    /// The time is over.
    Timeout,
}

impl Machine {
    /// Starts a machine of the kind `machine` with that many MiB of memory on the program of QEMU with that name;
    /// `kernel` is loaded.
    pub fn start(program: &str, machine: &str, memory: u64, kernel: &Path) -> Result<Self> {
        let mut qemu = Command::new(emulators::emulator(program))
            .args(["-M", machine, "-m", &format!("{memory}M")])
            .args(["-nodefaults", "-no-reboot", "-display", "none"])
            .args(["-monitor", "none", "-serial", "stdio"])
            // Time by the number of instructions: no timer interrupt is lost to other work of the machine, and runs are
            // alike.
            .args(["-icount", "shift=4,sleep=off"])
            .arg("-kernel")
            .arg(kernel)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("cannot start {program} (Debian: apt-get install qemu-system-x86)"))?;
        let console = qemu.stdin.take().context("its input is a pipe")?;
        let mut written = qemu.stdout.take().context("its output is a pipe")?;
        let (sender, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = written.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Ok(Self { qemu, console, output })
    }

    /// Waits for what comes until `deadline`.
    pub fn next(&self, deadline: Instant) -> Event {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.output.recv_timeout(left) {
            Ok(bytes) => Event::Output(bytes),
            Err(RecvTimeoutError::Disconnected) => Event::Ended,
            Err(RecvTimeoutError::Timeout) => Event::Timeout,
        }
    }

    /// Returns whether the machine has taken all that was typed.
    pub fn has_taken_all(&self) -> Result<bool> {
        Ok(rustix::io::ioctl_fionread(&self.console)? == 0)
    }

    /// Types on the console.
    pub fn type_in(&mut self, input: &[u8]) -> Result<()> {
        self.console
            .write_all(input)
            .and_then(|()| self.console.flush())
            .context("cannot type on the console")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
