// SPDX-License-Identifier: MIT OR Apache-2.0
//! A periodic timer against the elapsed time.

use std::thread;
use std::time::{Duration, Instant};

use crate::guest::{self, Arch, Outcome};

/// Interrupts a second.
const HERTZ: u64 = 1000;

/// Counts expirations for some time; the guest says whether their number is what the time demands. `None`: skipped.
///
/// # Panics
/// If it is not, or if the guest was told of less or more than was counted.
#[must_use]
pub fn count(arch: Arch, duration: Duration, load: &str) -> Option<Outcome> {
    let image = guest::open(arch, "rate")?;
    let seconds = duration.as_secs();
    let outcome = guest::run(image, 2 * duration + Duration::from_secs(20), |builder| {
        builder.command_line(format!("{HERTZ} {seconds} {load}"))
    });
    let overruns = outcome.stats.overruns;
    print!("{arch}, {load}: {overruns} overruns, {}", outcome.printed);
    assert!(outcome.number("expirations ") >= HERTZ * seconds);
    Some(outcome)
}

/// How many periods this machine sleeps through by itself in that time, in a thread that does nothing else: what no host can do
/// better.
#[must_use]
pub fn slept_through(duration: Duration) -> u64 {
    let period = Duration::from_secs(1) / HERTZ as u32;
    let end = Instant::now() + duration;
    let (mut next, mut missed) = (Instant::now(), 0);
    while next < end {
        next += period;
        thread::sleep(next.saturating_duration_since(Instant::now()));
        while next.elapsed() >= period {
            next += period;
            missed += 1;
        }
    }
    missed
}
