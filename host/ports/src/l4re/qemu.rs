// SPDX-License-Identifier: MIT OR Apache-2.0
//! A machine under QEMU, and what comes over its serial line.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use paravirt_build::arch::Arch;

use crate::qemu::{Event, Machine};

/// Memory of the machine in MiB.
const MEMORY: u64 = 512;

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
    let mut machine = Machine::start(program, "q35", MEMORY, image)?;
    let end = Instant::now() + limit;
    let mut written = Vec::new();
    let mut given = false;
    loop {
        match machine.next(end) {
            Event::Output(piece) => written.extend(piece),
            Event::Ended => return Ok(written),
            Event::Timeout => bail!(
                "it did not end within {} s; it wrote:\n{}",
                limit.as_secs(),
                String::from_utf8_lossy(&written)
            ),
        }
        if !given && contains(&written, ready) {
            given = true;
            machine.type_in(input)?;
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
