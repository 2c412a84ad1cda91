// SPDX-License-Identifier: MIT OR Apache-2.0
//! Real guests for a short time.

use std::time::Duration;

use paravirt_reliability_tests::guest::Arch;
use paravirt_reliability_tests::storm::Weather;
use paravirt_reliability_tests::walk::Effort;
use paravirt_reliability_tests::{numeric, on_each_architecture, rate, signals, stack, storm, walk};

on_each_architecture!(
    every_expiration_is_counted_when_idle,
    every_expiration_is_counted_when_busy,
    a_storm_is_survived,
    registers_survive,
    registers_survive_signals,
    an_interrupt_takes_little_stack,
    a_line_raised_at_any_instruction_is_delivered_once,
    a_signal_sent_at_any_instruction_is_delivered_once,
);

fn every_expiration_is_counted_when_idle(arch: Arch) {
    let _ = rate::count(arch, Duration::from_secs(2), "idle", None);
}

fn every_expiration_is_counted_when_busy(arch: Arch) {
    let _ = rate::count(arch, Duration::from_secs(2), "busy", None);
}

fn a_storm_is_survived(arch: Arch) {
    let weather = Weather {
        storm: Duration::from_secs(1),
        bursts: 200,
    };
    let _ = storm::live_through(arch, weather);
}

fn registers_survive(arch: Arch) {
    numeric::check(arch, Duration::from_millis(500));
}

fn registers_survive_signals(arch: Arch) {
    numeric::check_native(arch, Duration::from_millis(500));
}

fn an_interrupt_takes_little_stack(arch: Arch) {
    stack::check(arch);
}

fn a_line_raised_at_any_instruction_is_delivered_once(arch: Arch) {
    let _ = walk::walk(arch, Effort::Short);
}

fn a_signal_sent_at_any_instruction_is_delivered_once(arch: Arch) {
    signals::check(arch);
}
