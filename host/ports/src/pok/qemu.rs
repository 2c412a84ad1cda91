// SPDX-License-Identifier: MIT OR Apache-2.0
//! A node under QEMU.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::node::Start;
use crate::qemu::{Event, Machine};

const QEMU: &str = "qemu-system-i386";
/// Memory of the machine in MiB beside that of the partitions: the kernel, and the images in it.
const KERNEL_MIB: u64 = 64;
/// The kernel's greeting; what comes before is about the machine.
const GREETING: &str = "POK kernel initialized";
/// How the kernel's last words begin.
const FATAL: &str = "FATAL ERROR: ";
/// Time for the rest of them.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Runs `node`, made of what `start` says, until each of its partitions has said that it ends; what they printed. Each
/// line is also handed to `show` when it comes.
///
/// # Errors
/// QEMU does not start, the kernel stops, or a partition does not end in time; the error holds what was printed.
pub fn run(node: &Path, start: &Start<'_>, mut show: impl FnMut(&str)) -> Result<Vec<String>> {
    let partitions = u64::from(start.partition_size) * start.images.len() as u64;
    let memory = KERNEL_MIB + partitions.div_ceil(1 << 20);
    let mut machine = Machine::start(QEMU, "pc", memory, node)?;
    let mut deadline = Instant::now() + start.limit;
    let mut fatal = false;
    let mut printed: Vec<String> = Vec::new();
    let mut greeted = false;
    let mut rest = Vec::new();
    loop {
        let why = match machine.next(deadline) {
            Event::Output(bytes) => {
                rest.extend(bytes);
                while let Some(line) = take_line(&mut rest) {
                    if greeted {
                        show(&line);
                        if line.starts_with(FATAL) && !fatal {
                            fatal = true;
                            deadline = deadline.min(Instant::now() + LAST_WORDS);
                        }
                        printed.push(line);
                    } else if line == GREETING {
                        greeted = true;
                        // Earlier input is lost: the kernel empties the serial line when it starts.
                        machine.type_in(start.input)?;
                    }
                }
                if (0..start.images.len()).all(|partition| end(&printed, partition).is_some()) {
                    return Ok(printed);
                }
                continue;
            }
            Event::Timeout if fatal => "was stopped by its kernel",
            Event::Timeout => "did not end in time",
            Event::Ended => "ended before its partitions",
        };
        bail!("the node {why}; it printed:\n{}", printed.join("\n"));
    }
}

/// Takes the first whole line from the begin of `bytes`, without its end.
fn take_line(bytes: &mut Vec<u8>) -> Option<String> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let line: Vec<u8> = bytes.drain(..=end).collect();
    Some(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// What a partition's last line says of its end, as `exit 0`; `None` if it has not ended.
pub fn end(printed: &[String], partition: usize) -> Option<&str> {
    let said = format!("paravirt: partition {partition}: shutdown ");
    printed.iter().find_map(|line| line.strip_prefix(&said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_whole_and_without_their_ends() {
        let mut bytes = b"one\r\ntw".to_vec();
        assert_eq!(take_line(&mut bytes).as_deref(), Some("one"));
        assert_eq!(take_line(&mut bytes), None);
        bytes.extend(b"o\n\n");
        assert_eq!(take_line(&mut bytes).as_deref(), Some("two"));
        assert_eq!(take_line(&mut bytes).as_deref(), Some(""));
        assert_eq!(take_line(&mut bytes), None);
    }

    #[test]
    fn the_end_of_each_partition_is_its_own() {
        let printed = ["x", "paravirt: partition 1: shutdown exit 3"].map(str::to_owned);
        assert_eq!(end(&printed, 0), None);
        assert_eq!(end(&printed, 1), Some("exit 3"));
    }
}
