// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the check guests share.
#![no_std]

pub mod red_zone;
pub mod registers;

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

/// ns in a second.
pub const SECOND: u64 = 1_000_000_000;
