// SPDX-License-Identifier: MIT OR Apache-2.0
//! A machine under QEMU, and what comes over its serial line.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use paravirt_build::arch::Arch;
use paravirt_build::tools;

/// Starts `image` and returns what it has written when it ends by itself. As soon as it has written `ready`, it gets `input`.
///
/// # Errors
/// QEMU does not start, or the machine does not end in time; the error holds what it wrote.
pub fn run(
    image: &Path,
    arch: Arch,
    ready: &[u8],
    input: &[u8],
    limit: Duration,
) -> Result<Vec<u8>> {
    let program = match arch {
        Arch::I386 => "qemu-system-i386",
        Arch::X86_64 => "qemu-system-x86_64",
    };
    let mut qemu = Command::new(tools::emulator(program))
        .args(["-M", "q35", "-m", "512M", "-nodefaults", "-no-reboot"])
        .args(["-display", "none", "-monitor", "none", "-serial", "stdio"])
        // Time by the number of instructions: no timer interrupt is lost to other work of the machine, and runs are alike.
        .args(["-icount", "shift=4,sleep=off"])
        .arg("-kernel")
        .arg(image)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .with_context(|| {
            format!("cannot start {program} (Debian: apt-get install qemu-system-x86)")
        })?;
    let written = watch(&mut qemu, ready, input, limit);
    // It may have ended by itself.
    let _ = qemu.kill();
    qemu.wait()?;
    written
}

fn watch(qemu: &mut Child, ready: &[u8], input: &[u8], limit: Duration) -> Result<Vec<u8>> {
    let mut output = qemu.stdout.take().context("its output is a pipe")?;
    let mut console = qemu.stdin.take().context("its input is a pipe")?;
    let (sender, pieces) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = output.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    let end = Instant::now() + limit;
    let mut written = Vec::new();
    let mut given = false;
    loop {
        match pieces.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(piece) => written.extend(piece),
            Err(RecvTimeoutError::Disconnected) => return Ok(written),
            Err(RecvTimeoutError::Timeout) => bail!(
                "it did not end within {} s; it wrote:\n{}",
                limit.as_secs(),
                String::from_utf8_lossy(&written)
            ),
        }
        if !given && contains(&written, ready) {
            given = true;
            console.write_all(input).context("cannot type")?;
            console.flush()?;
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
