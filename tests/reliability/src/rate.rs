// SPDX-License-Identifier: MIT OR Apache-2.0
//! A periodic timer against the elapsed time.

use std::thread;
use std::time::{Duration, Instant};

use pvhost::process::Realtime;

use crate::guest::{self, Arch, Outcome};

/// Interrupts a second.
const HERTZ: u64 = 1000;

/// Real-time priority for tests that measure punctuality.
const PRIORITY: u8 = 50;

/// The real-time priority with which to measure, `None` and a line that says why if the system does not permit any.
#[must_use]
pub fn realtime() -> Option<u8> {
    match Realtime::enter(PRIORITY) {
        Ok(_) => {
            println!("measured with real-time priority {PRIORITY}");
            Some(PRIORITY)
        }
        Err(reason) => {
            println!("measured without real-time priority: {reason}");
            None
        }
    }
}

/// Counts expirations for some time; the guest says whether their number is what the time demands.
///
/// # Panics
/// If it is not, or if the guest was told of less or more than was counted.
#[must_use]
pub fn count(arch: Arch, duration: Duration, load: &str, realtime: Option<u8>) -> Outcome {
    let image = guest::open(arch, "rate");
    let seconds = duration.as_secs();
    let outcome = guest::run(image, 2 * duration + Duration::from_secs(20), |builder| {
        let builder = builder.command_line(format!("{HERTZ} {seconds} {load}"));
        match realtime {
            Some(priority) => builder.realtime(priority),
            None => builder,
        }
    });
    let overruns = outcome.stats.overruns;
    print!("{arch}, {load}: {overruns} overruns, {}", outcome.printed);
    assert!(outcome.number("expirations ") >= HERTZ * seconds);
    outcome
}

/// How many periods this machine sleeps through by itself in that time, in a thread that does nothing else: what no
/// host can do better with the same priority.
///
/// # Panics
/// If the system does not permit the priority.
#[must_use]
pub fn slept_through(duration: Duration, realtime: Option<u8>) -> u64 {
    let _realtime = realtime.map(|priority| Realtime::enter(priority).expect("permitted"));
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
