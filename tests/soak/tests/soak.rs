// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tests of `tests/reliability` for a long time, with assertions on rates, so to be run one at a time on an idle
//! machine.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::thread;
use std::time::Duration;

use test_support::need::{Need, User};

use paravirt_reliability_tests::guest::Arch;
use paravirt_reliability_tests::storm::Weather;
use paravirt_reliability_tests::walk::Effort;
use paravirt_reliability_tests::{numeric, on_each_architecture, rate, signals, storm, walk};

on_each_architecture!(
    every_expiration_is_counted_when_idle,
    every_expiration_is_counted_when_busy,
    a_storm_is_survived,
    registers_survive,
    registers_survive_signals,
    a_line_raised_at_any_two_instructions_is_delivered,
);

#[test]
fn a_signal_sent_at_any_instruction_on_a_kernel_for_aarch64_is_delivered_once() {
    signals::check_on_kernel();
}

const MINUTE: Duration = Duration::from_secs(60);

fn every_expiration_is_counted_when_idle(arch: Arch) {
    let realtime = rate::realtime();
    let machine = thread::spawn(move || rate::slept_through(MINUTE, realtime));
    let outcome = rate::count(arch, MINUTE, "idle", realtime);
    let missed = machine.join().expect("it only counts");
    let (overruns, expirations) = (outcome.stats.overruns, outcome.number("expirations "));
    let limit = expirations / 1000;
    if missed > limit {
        Need::User(User::QuietMachine).panic(&format!(
            "it slept through {missed} of {expirations} periods, so overruns mean nothing"
        ));
    }
    assert!(
        overruns <= limit,
        "{overruns} overruns of {expirations} are more than 0.1 %"
    );
}

fn every_expiration_is_counted_when_busy(arch: Arch) {
    let _ = rate::count(arch, MINUTE, "busy", None);
}

fn a_storm_is_survived(arch: Arch) {
    let weather = Weather {
        storm: Duration::from_secs(10),
        bursts: 10_000,
    };
    let outcome = storm::live_through(arch, weather);
    let (quiet, stormy) = (outcome.number("loops per ms: "), outcome.number("quiet, "));
    assert!(
        stormy * 10 >= quiet,
        "{stormy} loops per ms in the storm are less than a tenth of {quiet}"
    );
}

fn registers_survive(arch: Arch) {
    numeric::check(arch, MINUTE);
}

fn registers_survive_signals(arch: Arch) {
    numeric::check_native(arch, MINUTE);
}

fn a_line_raised_at_any_two_instructions_is_delivered(arch: Arch) {
    let _ = walk::walk(arch, Effort::Long);
}
