// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the guest is told at its start.

use paravirt_bsp::abi::start::{MAGIC, MemoryKind, MemoryRange, StartInfo};
use paravirt_bsp::{abi, start};

use crate::check::{Check, Outcome, Problem, ensure};

pub const CHECKS: &[Check] = &[
    ("start: the block is of this ABI", block),
    ("start: command line", command_line),
    ("start: memory is sorted and apart from the image", memory_map),
    ("start: memory is there at both ends", memory_ends),
];

unsafe extern "C" {
    static __image_start: u8;
    static __image_end: u8;
}

fn block() -> Outcome {
    let Some(info) = start::info() else {
        return Err(Problem::failed(format_args!("there is none")));
    };
    ensure!(info.magic == MAGIC, "magic {:#x}", info.magic);
    ensure!(info.size as usize >= size_of::<StartInfo>(), "{} bytes", info.size);
    ensure!(info.version == abi::VERSION, "version {}", info.version);
    Ok(())
}

/// Words with single spaces between them, and a NUL behind the last, for C.
fn command_line() -> Outcome {
    let Some(info) = start::info().filter(|info| info.command_line_length > 0) else {
        return Err(Problem::NotOffered("the host passed none"));
    };
    let line = start::command_line();
    ensure!(line.len() == info.command_line_length as usize, "it is not UTF-8");
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
    ensure!(
        line.split(' ').all(is_word),
        "not words with single spaces between them: {line:?}"
    );
    // SAFETY: the byte behind the command line belongs to the block.
    let end = unsafe { line.as_ptr().add(line.len()).read() };
    ensure!(end == 0, "no NUL behind it");
    Ok(())
}

fn ranges() -> Result<&'static [MemoryRange], Problem> {
    match start::memory() {
        [] => Err(Problem::NotOffered("the host says nothing about memory")),
        ranges => Ok(ranges),
    }
}

fn is_ram(range: &MemoryRange) -> bool {
    range.kind == MemoryKind::Ram as u32
}

/// Sorted, apart, and the image in none that is free.
fn memory_map() -> Outcome {
    let image = (&raw const __image_start).addr() as u64..(&raw const __image_end).addr() as u64;
    let mut last = 0;
    for range in ranges()? {
        let end = range.start + range.size;
        ensure!(range.size > 0, "an empty range at {:#x}", range.start);
        ensure!(
            range.start >= last,
            "{:#x} lies below the end of the one before",
            range.start
        );
        ensure!(
            end - 1 <= usize::MAX as u64,
            "{:#x} is beyond what this guest can reach",
            end
        );
        ensure!(
            !is_ram(range) || end <= image.start || range.start >= image.end,
            "free memory {:#x}..{end:#x} overlaps the image {image:#x?}",
            range.start
        );
        last = end;
    }
    Ok(())
}

/// The first and the last byte of each free range keep what is written to them, and none is another one's shadow.
fn memory_ends() -> Outcome {
    let ranges = ranges()?;
    let ends = || {
        ranges
            .iter()
            .filter(|range| is_ram(range))
            .flat_map(|range| [range.start, range.start + range.size - 1].map(|address| address as usize as *mut u8))
    };
    ensure!(ends().next().is_some(), "no free memory");
    for (value, byte) in (1u8..).zip(ends()) {
        // SAFETY: free memory, which nobody else uses.
        unsafe { byte.write_volatile(value) };
    }
    for (value, byte) in (1u8..).zip(ends()) {
        // SAFETY: as above.
        let found = unsafe { byte.read_volatile() };
        ensure!(found == value, "{byte:p} holds {found}, not {value}");
    }
    Ok(())
}
