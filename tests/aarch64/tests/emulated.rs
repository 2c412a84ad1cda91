// SPDX-License-Identifier: MIT OR Apache-2.0
//! The process host in QEMU's emulation of programs, which has no seccomp.

use std::process::{Command, Output};

use paravirt_aarch64_tests::{Arch, CALLERS, FAULTS, expect, guest, has_in_order, program};
use paravirt_build::emulators::QEMU_USER;
use test_support::Tool;

/// `pvhost` for AArch64, to be given arguments.
#[track_caller]
fn pvhost() -> Command {
    test_support::tool(Tool::QemuUser);
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "60", QEMU_USER]).arg(program("pvhost"));
    command
}

/// `pvhost run` with these options, of that guest with these arguments.
#[track_caller]
fn run(options: &[&str], guest_name: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = pvhost();
    command.arg("run").args(options).arg(guest(Arch::Aarch64, guest_name));
    said(&command.arg("--").args(arguments).output().expect("timeout starts"))
}

fn said(output: &Output) -> (Option<i32>, String) {
    let text = [&*output.stdout, &*output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn faults_are_reported_with_all_registers() {
    for (what, parts) in FAULTS {
        let (status, text) = run(&["--no-sandbox"], "el1", &[what]);
        assert_eq!(status, Some(5), "{what}: {text}");
        expect(&text, parts);
    }
}

#[test]
fn faults_and_panics_are_reported_with_callers_and_source_lines() {
    for (what, ends_with, parts) in CALLERS {
        let (status, text) = run(&["--no-sandbox"], "el1", &[what]);
        assert_eq!(status, Some(ends_with), "{what}: {text}");
        has_in_order(&text, parts);
        // The first code that ran has no caller, and that needs no words.
        assert!(!text.contains("\n  ("), "{what}: {text}");
    }
}

#[test]
fn a_guest_that_computes_or_sleeps_ends_by_its_time_limit() {
    for (what, begin) in [("spin", "spinning"), ("hang", "hanging")] {
        let (status, text) = run(&["--timeout", "2"], "el1", &[what]);
        assert_eq!(status, Some(124), "{what}: {text}");
        expect(&text, &[begin, "timeout"]);
    }
}

#[test]
fn that_there_is_no_sandbox_is_said() {
    let (status, text) = run(&["--stats"], "hello", &[]);
    assert_eq!(status, Some(0), "{text}");
    expect(
        &text,
        &[
            "Hello from a paravirtualized guest",
            "warning: no sandbox: the system refuses a seccomp filter",
            "nothing has kept the guest's code from calling Linux",
            "pv_console_write                    1",
        ],
    );
}

#[test]
fn what_is_not_there_yet_is_refused_by_name() {
    for (options, name) in [
        (&["--gdb=127.0.0.1:0"][..], "a debugger (`--gdb`)"),
        (&["--core", "core"], "a core (`--core`, `--core-dir`)"),
        (&["--trace", "trace"], "a trace (`--trace`)"),
        (&["--profile", "profile"], "a profile (`--profile`)"),
        (
            &["--time", "steps", "--seed", "1"],
            "a seed for `--time steps` (`--seed`)",
        ),
    ] {
        let (status, text) = run(options, "hello", &[]);
        assert_eq!(status, Some(1), "{text}");
        expect(&text, &[&format!("{name} is not there yet")]);
        assert!(!text.contains("Hello"), "{text}");
    }
    for arch in Arch::ALL {
        let mut command = pvhost();
        let output = command.arg("run").arg(guest(arch, "hello")).output();
        let (status, text) = said(&output.expect("timeout starts"));
        assert_eq!(status, Some(1), "{text}");
        expect(&text, &[&format!("built for {arch}; this host runs aarch64")]);
    }
}
