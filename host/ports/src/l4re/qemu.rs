// SPDX-License-Identifier: MIT OR Apache-2.0
//! A machine under QEMU, and what comes over its serial line.

use std::path::Path;
use std::slice::Chunks;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use paravirt_build::arch::Arch;

use crate::qemu::{Event, Machine};

/// Memory of the machine in MiB.
const MEMORY: u64 = 512;

/// Bytes that are typed at once. The kernel keeps 255 and drops others, and QEMU hands over all that it has while the
/// kernel takes what the serial line has.
const PIECE: usize = 64;
/// Between two pieces: time for the kernel to end taking. A serial line would need 5 ms for one.
const PAUSE: Duration = Duration::from_millis(5);

/// Starts `image` and returns what it has written when it ends by itself. As soon as it has written `ready`, it gets
/// `input`.
///
/// # Errors
/// QEMU does not start, or the machine does not end in time; the error holds what it wrote.
pub fn run(image: &Path, arch: Arch, ready: &[u8], input: &[u8], limit: Duration) -> Result<Vec<u8>> {
    let program = match arch {
        Arch::I386 => "qemu-system-i386",
        Arch::X86_64 => "qemu-system-x86_64",
    };
    let mut machine = Machine::start(program, "q35", MEMORY, image)?;
    let end = Instant::now() + limit;
    let mut written = Vec::new();
    let mut rest = input.chunks(PIECE);
    let mut next = None;
    loop {
        match machine.next(next.unwrap_or(end).min(end)) {
            Event::Output(piece) => written.extend(piece),
            Event::Ended => return Ok(written),
            Event::Timeout if Instant::now() < end => {}
            Event::Timeout => bail!(
                "it did not end within {} s; it wrote:\n{}",
                limit.as_secs(),
                String::from_utf8_lossy(&written)
            ),
        }
        if next.is_none() && contains(&written, ready) {
            next = Some(Instant::now());
        }
        if next.is_some_and(|next| next <= Instant::now()) {
            next = match type_next(&mut machine, &mut rest) {
                Ok(true) => Some(Instant::now() + PAUSE),
                // All is typed, or the machine has ended, and what it wrote tells why.
                Ok(false) | Err(_) => Some(end),
            };
        }
    }
}

/// Types the next piece, once the machine has taken the one before. Returns whether there may be more.
fn type_next(machine: &mut Machine, rest: &mut Chunks<'_, u8>) -> Result<bool> {
    if !machine.has_taken_all()? {
        return Ok(true);
    }
    match rest.next() {
        Some(piece) => machine.type_in(piece).map(|()| true),
        None => Ok(false),
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
