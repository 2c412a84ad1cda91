// SPDX-License-Identifier: MIT OR Apache-2.0
//! A node under QEMU.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use paravirt_build::tools;

use super::start::Start;

const QEMU: &str = "qemu-system-i386";
/// Memory of the machine in MiB beside that of the partitions: the kernel, and the images in it.
const KERNEL_MIB: u64 = 64;
/// The kernel's greeting; what comes before is about the machine.
const GREETING: &str = "POK kernel initialized";
/// How the kernel's last words begin.
const FATAL: &str = "FATAL ERROR: ";
/// Time for the rest of them.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs `node`, made of what `start` says, until each of its partitions has said that it ends; what they printed. Each line is also
/// handed to `show` when it comes.
///
/// # Errors
/// QEMU does not start, the kernel stops, or a partition does not end in time; the error holds what was printed.
pub fn run(node: &Path, start: &Start<'_>, show: impl FnMut(&str)) -> Result<Vec<String>> {
    let partitions = u64::from(start.partition_size) * start.images.len() as u64;
    let mib = KERNEL_MIB + partitions.div_ceil(1 << 20);
    let mut qemu = Command::new(tools::emulator(QEMU))
        .args(["-M", "pc", "-nodefaults", "-no-reboot"])
        .args(["-m", &format!("{mib}M")])
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
    let printed = watch(&mut qemu, start, show);
    // It may have ended by itself.
    let _ = qemu.kill();
    qemu.wait()?;
    printed
}

fn watch(qemu: &mut Child, start: &Start<'_>, mut show: impl FnMut(&str)) -> Result<Vec<String>> {
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
    let mut deadline = Instant::now() + start.limit;
    let mut fatal = false;
    let mut printed: Vec<String> = Vec::new();
    let mut greeted = false;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if greeted => {
                show(&line);
                if line.starts_with(FATAL) && !fatal {
                    fatal = true;
                    deadline = deadline.min(Instant::now() + LAST_WORDS);
                }
                printed.push(line);
            }
            Ok(line) => {
                if line == GREETING {
                    greeted = true;
                    // Earlier input is lost: the kernel empties the serial line when it starts.
                    console
                        .write_all(start.input)
                        .context("cannot type on the console")?;
                    console.flush()?;
                }
            }
            Err(error) => {
                let why = match error {
                    RecvTimeoutError::Timeout if fatal => "was stopped by its kernel",
                    RecvTimeoutError::Timeout => "did not end in time",
                    RecvTimeoutError::Disconnected => "ended before its partitions",
                };
                bail!("the node {why}; it printed:\n{}", printed.join("\n"));
            }
        }
        if (0..start.images.len()).all(|partition| end(&printed, partition).is_some()) {
            return Ok(printed);
        }
    }
}

/// What a partition's last line says of its end, as `exit 0`; `None` if it has not ended.
pub fn end(printed: &[String], partition: usize) -> Option<&str> {
    let said = format!("paravirt: partition {partition}: shutdown ");
    printed.iter().find_map(|line| line.strip_prefix(&said))
}
