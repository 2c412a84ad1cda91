// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest leaves behind in its host's process: nothing.

use std::fs;
use std::time::Duration;

use crate::guest::{self, Arch};

/// Guests and their arguments: one that prints, one that reads with a thread of the host's, one with a timer.
const GUESTS: [(&str, &str); 3] = [("hello", ""), ("echo", ""), ("rate", "1000 0")];

/// What a process holds, apart from its memory.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    files: usize,
    threads: usize,
    mappings: usize,
    /// POSIX timers; `None` where the kernel does not tell.
    timers: Option<usize>,
}

impl Held {
    fn now() -> Self {
        let entries = |folder| fs::read_dir(folder).expect("Linux has it").count();
        let lines = |file| Some(fs::read_to_string(file).ok()?.lines().count());
        Self {
            files: entries("/proc/self/fd"),
            threads: entries("/proc/self/task"),
            mappings: lines("/proc/self/maps").expect("Linux has it"),
            timers: lines("/proc/self/timers"),
        }
    }
}

/// Memory of this process in bytes: resident, and all of its address space, in which neighbouring mappings count as
/// one.
fn memory() -> [u64; 2] {
    let status = fs::read_to_string("/proc/self/status").expect("Linux has it");
    ["VmRSS:", "VmSize:"].map(|label| {
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix(label)?.strip_suffix("kB"))
            .and_then(|number| number.trim().parse::<u64>().ok());
        kilobytes.expect("Linux tells") << 10
    })
}

/// Runs short guests one after the other, `runs` in all, and as many before as it takes until everything that is made
/// once has been made. No other test may run in this process meanwhile.
///
/// # Panics
/// If more files, threads, mappings or timers are left than before, or more than `growth` bytes of memory, resident or
/// mapped.
pub fn check(runs: usize, growth: u64) {
    let kinds: Vec<_> = Arch::ALL
        .into_iter()
        .flat_map(|arch| GUESTS.map(|(name, arguments)| (arch, name, arguments)))
        .collect();
    let mut images = Vec::new();
    for (arch, name, arguments) in kinds {
        images.push((guest::open(arch, name), arguments));
    }
    let run = |count| {
        for (image, arguments) in images.iter().cycle().take(count) {
            guest::run(image.clone(), Duration::from_secs(20), |builder| {
                builder.command_line(*arguments)
            });
        }
    };
    run(2 * images.len());
    let (held, before) = (Held::now(), memory());
    run(runs);
    let after = memory();
    println!("{runs} runs, resident and mapped bytes {before:?} before, {after:?} after, {held:?}");
    assert_eq!(Held::now(), held);
    for (before, after) in before.into_iter().zip(after) {
        assert!(after <= before + growth, "memory grew");
    }
}
