// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the command line says about all checks.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use paravirt_bsp::println;

/// ns in a millisecond and in a microsecond.
pub const MILLISECOND: u64 = 1_000_000;
pub const MICROSECOND: u64 = 1_000;

/// How late an interrupt may be in ms: an emulator on a machine with other work stands still for that long.
static LATE: AtomicU32 = AtomicU32::new(500);
static VERBOSE: AtomicBool = AtomicBool::new(false);

/// Takes the options; whether all are known.
pub fn read(mut words: impl Iterator<Item = &'static str>) -> bool {
    while let Some(word) = words.next() {
        match word {
            "--verbose" => VERBOSE.store(true, Ordering::Relaxed),
            "--late-ms" => match words.next().map(str::parse) {
                Some(Ok(ms)) => LATE.store(ms, Ordering::Relaxed),
                _ => return false,
            },
            _ => return false,
        }
    }
    true
}

/// How late an interrupt may be, in ns.
pub fn late() -> u64 {
    u64::from(LATE.load(Ordering::Relaxed)) * MILLISECOND
}

/// Prints what was measured, if that was asked for: numbers differ from run to run, the other lines do not.
pub fn note(text: fmt::Arguments<'_>) {
    if VERBOSE.load(Ordering::Relaxed) {
        println!("  {text}");
    }
}
