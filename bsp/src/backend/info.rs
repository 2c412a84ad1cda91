// SPDX-License-Identifier: MIT OR Apache-2.0
//! The start info block, made from what a host says in a form of its own.
//!
//! ```no_run
//! use paravirt_bsp::abi::start::StartInfo;
//! use paravirt_bsp::backend::info;
//! use paravirt_bsp::start::Entry;
//!
//! /// For [`Backend::start`](paravirt_bsp::backend::Backend::start).
//! fn start(_entry: &Entry) -> &'static StartInfo {
//!     info::add_memory(0x10_0000, 0x400_0000);
//!     info::set_command_line(b"all --late-ms 50");
//!     info::finish(0) // no wall clock
//! }
//! # fn main() {}
//! ```

use paravirt_abi::start::{MemoryKind, MemoryRange, StartInfo};

use crate::local::Local;

/// Most ranges that are kept; what a host reports beyond them stays unused.
const RANGES: usize = 16;
/// Longest command line in bytes; what is longer is cut.
const COMMAND_LINE: usize = 1024;

const NOTHING: MemoryRange = MemoryRange {
    start: 0,
    size: 0,
    kind: 0,
    reserved: 0,
};

static MEMORY: Local<[MemoryRange; RANGES]> = Local::new([NOTHING; RANGES]);
static FINISHED: Local<bool> = Local::new(false);

/// Returns whether the block is in use, or the guest has another.
fn is_finished() -> bool {
    FINISHED.get() || crate::start::info().is_some()
}

static LINE: Local<[u8; COMMAND_LINE]> = Local::new([0; COMMAND_LINE]);
static INFO: Local<StartInfo> = Local::new(StartInfo::empty());

unsafe extern "C" {
    static __image_start: u8;
    static __image_end: u8;
}

/// Adds memory that the guest may use, from address `start` to before `end`, in ascending order. The part that holds
/// the image is told apart, the page at address zero is left out. For the start of a backend: later it does nothing,
/// and neither does [`set_command_line`].
pub fn add_memory(start: u64, end: u64) {
    let image = (
        &raw const __image_start as usize as u64,
        &raw const __image_end as usize as u64,
    );
    let start = start.max(0x1000);
    add(start, end.min(image.0), MemoryKind::Ram);
    add(start.max(image.0), end.min(image.1), MemoryKind::Image);
    add(start.max(image.1), end, MemoryKind::Ram);
}

/// Adds one range, unless it is empty or a 32-bit guest could not reach it.
fn add(start: u64, end: u64, kind: MemoryKind) {
    let end = end.min(usize::MAX as u64);
    let mut info = INFO.get();
    let index = info.memory_count as usize;
    if start >= end || index == RANGES || is_finished() {
        return;
    }
    let mut ranges = MEMORY.get();
    ranges[index] = MemoryRange::new(start, end, kind);
    // SAFETY: not finished, so this is the start, before the first interrupt.
    unsafe { MEMORY.set_large(ranges) };
    info.memory = MEMORY.as_ptr() as usize as u64;
    info.memory_count += 1;
    // SAFETY: as above.
    unsafe { INFO.set_large(info) };
}

/// Copies the command line; runs of white space become one space, and bytes that are not ASCII question marks.
pub fn set_command_line(text: &[u8]) {
    if is_finished() {
        return;
    }
    let mut line = [0; COMMAND_LINE];
    let mut length = 0;
    let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    for word in words {
        let space: &[u8] = if length == 0 { b"" } else { b" " };
        for &byte in space.iter().chain(word) {
            // The last byte stays the NUL.
            if length + 1 < COMMAND_LINE {
                line[length] = if byte.is_ascii() { byte } else { b'?' };
                length += 1;
            }
        }
    }
    // SAFETY: not finished, so this is the start, before the first interrupt.
    unsafe { LINE.set_large(line) };
    let mut info = INFO.get();
    info.command_line = LINE.as_ptr() as usize as u64;
    info.command_line_length = length as u32;
    // SAFETY: as above.
    unsafe { INFO.set_large(info) };
}

/// Adds the time at start (Unix time in ns, 0 if there is no such clock) and returns the block, which nothing changes
/// from here on.
#[must_use]
pub fn finish(wall_clock: u64) -> &'static StartInfo {
    if !is_finished() {
        let mut info = INFO.get();
        info.wall_clock = wall_clock;
        // SAFETY: not finished, so this is the start, before the first interrupt.
        unsafe { INFO.set_large(info) };
        FINISHED.set(true);
    }
    // SAFETY: finished, so nobody changes the static any more.
    unsafe { &*INFO.as_ptr() }
}
