// SPDX-License-Identifier: MIT OR Apache-2.0
//! Registers that survive interrupts and host calls.

use std::time::Duration;

use crate::guest::{self, Arch};

/// Interrupts a second.
const HERTZ: u64 = 10_000;

/// Lets a guest check all of its registers for some time, under interrupts.
///
/// # Panics
/// If a register did not survive, or there were hardly any interrupts.
pub fn check(arch: Arch, duration: Duration) {
    let image = guest::open(arch, "numeric");
    let milliseconds = duration.as_millis();
    let outcome = guest::run(image, 2 * duration + Duration::from_secs(20), |builder| {
        builder.command_line(format!("{HERTZ} {milliseconds}"))
    });
    let upcalls = outcome.stats.upcalls;
    print!("{arch}: {upcalls} upcalls, {}", outcome.printed);
    assert_were_many(upcalls, duration);
}

/// The same guest as an ordinary Linux program: there interrupts are signals, and the guest's own backend builds the
/// frame of the upcall, below the interrupted code's red zone.
///
/// # Panics
/// As [`check`].
pub fn check_native(arch: Arch, duration: Duration) {
    let path = test_support::guest(arch, "numeric");
    let milliseconds = duration.as_millis();
    let arguments = [HERTZ.to_string(), milliseconds.to_string()];
    let limit = 2 * duration + Duration::from_secs(20);
    let printed = guest::run_native(&path, &arguments, limit);
    print!("{arch}: {printed}");
    let upcalls = guest::number(&printed, "rounds, ");
    assert_were_many(upcalls, duration);
}

/// A hundredth of what the timer asks for: a busy machine gives a guest a small part of its time, and periods of a
/// timer come together.
fn assert_were_many(interrupts: u64, duration: Duration) {
    let asked_for = u128::from(HERTZ) * duration.as_millis() / 1000;
    assert!(
        u128::from(interrupts) * 100 > asked_for,
        "{interrupts} interrupts are hardly any"
    );
}
