// SPDX-License-Identifier: MIT OR Apache-2.0
//! A node under QEMU.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const QEMU: &str = "qemu-system-i386";
/// Time after which a node is stopped. The kernel's interval timer interrupts 108,000 times a second, which an emulator does a
/// few times slower.
const LIMIT: Duration = Duration::from_secs(300);
/// The kernel's greeting; what comes before is about the machine.
const GREETING: &str = "POK kernel initialized";

/// Runs `node` until each of its partitions has said that it ends; what they printed.
///
/// # Errors
/// QEMU does not start, or a partition does not end in time; the error holds what was printed.
pub fn run(node: &Path, partitions: usize, input: &[u8]) -> Result<Vec<String>> {
    let mut qemu = Command::new(QEMU)
        .args(["-M", "pc", "-m", "64M", "-nodefaults", "-no-reboot"])
        .args(["-display", "none", "-serial", "stdio"])
        // Time by the number of instructions: no timer interrupt is lost to other work of the machine, and runs are alike.
        .args(["-icount", "shift=4,sleep=off"])
        .arg("-kernel")
        .arg(node)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .with_context(|| {
            format!("cannot start {QEMU} (Debian: apt-get install qemu-system-x86)")
        })?;
    let printed = watch(&mut qemu, partitions, input);
    // It may have ended by itself.
    let _ = qemu.kill();
    qemu.wait()?;
    printed
}

fn watch(qemu: &mut Child, partitions: usize, input: &[u8]) -> Result<Vec<String>> {
    let output = qemu.stdout.take().context("its output is a pipe")?;
    let mut console = qemu.stdin.take().context("its input is a pipe")?;
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let end = Instant::now() + LIMIT;
    let mut printed: Vec<String> = Vec::new();
    let mut greeted = false;
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) if greeted => printed.push(line),
            Ok(line) => {
                if line == GREETING {
                    greeted = true;
                    // Earlier input is lost: the kernel empties the serial line when it starts.
                    console
                        .write_all(input)
                        .context("cannot type on the console")?;
                    console.flush()?;
                }
            }
            Err(error) => {
                let why = match error {
                    RecvTimeoutError::Timeout => "did not end in time",
                    RecvTimeoutError::Disconnected => "ended before its partitions",
                };
                bail!("the node {why}; it printed:\n{}", printed.join("\n"));
            }
        }
        if (0..partitions).all(|partition| printed.iter().any(|line| is_end(line, partition))) {
            return Ok(printed);
        }
    }
}

/// Whether a line is a partition's last.
fn is_end(line: &str, partition: usize) -> bool {
    line.starts_with(&format!("paravirt: partition {partition}: shutdown "))
}
