// SPDX-License-Identifier: MIT OR Apache-2.0
//! The process host on a Linux kernel for AArch64, which QEMU runs: with seccomp, and with its clock.

use std::time::Duration;

use paravirt_aarch64_tests::{Arch, CALLERS, FAULTS, expect, guest, has_in_order, program, run_on_linux};

/// Runs these commands, in one start of the kernel; their exit statuses, and what they have printed.
#[track_caller]
fn run(commands: &[String]) -> Vec<(i32, String)> {
    let hosts = ["pvhost", "own-host"].map(|name| (name, program(name)));
    let guests = ["hello", "conformance", "el1", "own-function"].map(|name| (name, guest(Arch::Aarch64, name)));
    run_on_linux(&[&hosts[..], &guests].concat(), commands, &[], Duration::from_secs(240))
}

#[test]
fn guests_run_confined() {
    let all = run(&[
        "/pvhost run --stats /hello".to_owned(),
        "/pvhost run --stats /conformance -- all --late-ms 500".to_owned(),
        "/pvhost run /el1 -- syscall".to_owned(),
        "/pvhost run --timeout 2 /el1 -- spin".to_owned(),
        "/pvhost run --timeout 2 /el1 -- hang".to_owned(),
        "/own-host /own-function".to_owned(),
    ]);
    let [hello, conformance, call, spin, hang, own] = &all[..] else {
        panic!("{all:?}");
    };
    assert_eq!(hello.0, 0, "{}", hello.1);
    expect(
        &hello.1,
        &[
            "Hello from a paravirtualized guest",
            "sandbox                        filter",
        ],
    );
    assert_eq!(conformance.0, 0, "{}", conformance.1);
    expect(&conformance.1, &[" 0 failed", "sandbox                        filter"]);
    // The page's clock is kept, so that the guest has hardly asked.
    let asked = conformance
        .1
        .lines()
        .find_map(|line| line.strip_prefix("pv_clock_now "));
    let asked: u32 = asked.and_then(|count| count.trim().parse().ok()).expect("a count");
    assert!(asked < 100_000, "{}", conformance.1);
    assert_eq!(call.0, 5, "{}", call.1);
    expect(
        &call.1,
        &["system call 172 (aarch64) by guest code", "x20 0x123456789abcdef0"],
    );
    for limited in [spin, hang] {
        assert_eq!(limited.0, 124, "{}", limited.1);
    }
    // It is a program with other signals, which QEMU's emulation of programs does not have, and functions with floats.
    assert_eq!(own.0, 0, "{}", own.1);
    expect(
        &own.1,
        &[
            "board: demonstration board",
            "sensor 1: 48.062 C",
            "mean of 1 and 2: 1.5",
        ],
    );
}

#[test]
fn faults_and_panics_are_reported_with_callers_and_source_lines() {
    let commands = CALLERS.map(|(what, ..)| format!("/pvhost run /el1 -- {what}"));
    for ((what, ends_with, parts), (status, text)) in CALLERS.into_iter().zip(run(&commands)) {
        assert_eq!(status, ends_with, "{what}: {text}");
        has_in_order(&text, parts);
    }
}

#[test]
fn faults_are_reported_with_all_registers() {
    let commands = FAULTS.map(|(what, _)| format!("/pvhost run /el1 -- {what}"));
    for ((what, parts), (status, text)) in FAULTS.into_iter().zip(run(&commands)) {
        assert_eq!(status, 5, "{what}: {text}");
        expect(&text, parts);
    }
}
