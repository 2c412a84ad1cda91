// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the command line says about all checks.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use paravirt_bsp::clock::Instant;
use paravirt_bsp::println;

/// ns in a millisecond and in a microsecond.
pub const MILLISECOND: u64 = 1_000_000;
pub const MICROSECOND: u64 = 1_000;

/// How late an interrupt may usually be, in ms.
static LATE: AtomicU32 = AtomicU32::new(100);
/// How long a machine with other work may stand still, in ns: what has not come by then is lost.
const STANDSTILL: u64 = 1000 * MILLISECOND;
static VERBOSE: AtomicBool = AtomicBool::new(false);

/// Takes the options. Returns whether all are known.
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

/// How late an interrupt may usually be, in ns: the median of some. A host that is always late exceeds it; one that
/// stood still for once does not, so that this can be far less than [`time_limit`].
pub fn late() -> u64 {
    u64::from(LATE.load(Ordering::Relaxed)) * MILLISECOND
}

/// How long to wait for what may have been lost, in ns.
pub fn time_limit() -> u64 {
    late().max(STANDSTILL)
}

/// The time of the monotonic clock, in ns.
pub fn now() -> u64 {
    Instant::now().as_nanos()
}

/// Prints what was measured, if that was asked for: numbers differ from run to run, the other lines do not.
pub fn note(text: fmt::Arguments<'_>) {
    if VERBOSE.load(Ordering::Relaxed) {
        println!("  {text}");
    }
}
