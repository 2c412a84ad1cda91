// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the check guests share.
#![no_std]

pub mod red_zone;
pub mod registers;

use paravirt_bsp::abi::start::MemoryKind;
use paravirt_bsp::clock::Instant;
use paravirt_bsp::start;

/// The argument of that position (0 = first) as a number, or `default` if there is none.
///
/// # Panics
/// If the argument is no number.
#[must_use]
pub fn number(position: usize, default: u64) -> u64 {
    start::arguments()
        .nth(position)
        .map_or(default, |text| text.parse().expect("a number"))
}

/// The time of the monotonic clock, in ns.
#[must_use]
pub fn now() -> u64 {
    Instant::now().as_nanos()
}

/// Writes code to free memory and runs it, the number it gives: 42.
///
/// # Panics
/// If there is no free memory.
#[must_use]
pub fn written_code() -> i32 {
    /// `mov $42, %eax`, `ret`: the same on both architectures.
    const CODE: [u8; 6] = [0xb8, 42, 0, 0, 0, 0xc3];
    let free = start::memory()
        .iter()
        .find(|range| range.kind == MemoryKind::Ram as u32 && range.start != 0)
        .expect("free memory");
    let code = free.start as usize as *mut u8;
    // SAFETY: free memory is this guest's, and nobody else here uses it. Whether it may be executed is what is asked.
    unsafe {
        code.copy_from_nonoverlapping(CODE.as_ptr(), CODE.len());
        core::mem::transmute::<*mut u8, extern "C" fn() -> i32>(code)()
    }
}

/// ns in a second.
pub const SECOND: u64 = 1_000_000_000;
