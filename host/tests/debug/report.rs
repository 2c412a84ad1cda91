// SPDX-License-Identifier: MIT OR Apache-2.0
//! Callers and source lines in reports, and in a debugger.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use test_support::program;

use super::guests::{each, run, text};

const FILE: &str = "tests/guests/checks/src/bin/fault.rs";

/// The report of the guest that ends in that way.
fn report(guest: &Path, end: &str) -> String {
    text(&run(guest, &[], &[end]).stderr)
}

/// Whether these parts are in the text, one after the other.
#[track_caller]
fn expect_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else {
            panic!("no {part:?} where it should be in\n{text}");
        };
        rest = behind;
    }
}

#[test]
fn a_fault_is_named_with_its_line_and_its_callers() {
    for (arch, guest) in each("fault") {
        let report = report(&guest, "null");
        expect_in_order(
            &report,
            &[
                "bad read from address 0x10",
                "\n  at 0x",
                " fault::read_null+0x",
                "(read_volatile<u32>, inlined)\n     ",
                FILE,
                "\n  instruction: ",
                "\n  called from 0x",
                " paravirt_main+0x",
                FILE,
                " (main, inlined)",
                "\n  called from 0x",
                " paravirt_bsp::start::run+0x",
                "\n  called from 0x",
                " _start+0x",
            ],
        );
        // The first code that ran has no caller, and that needs no words.
        let (_, end) = report.rsplit_once("_start+0x").expect("checked");
        assert!(!end.contains('('), "{arch}: {report}");
    }
}

#[test]
fn a_walk_goes_from_a_handler_through_the_upcall_to_main() {
    for (_, guest) in each("fault") {
        let parts = [
            "illegal instruction",
            " fault::faults+0x",
            "\n  called from 0x",
            " paravirt_bsp::irq::dispatch+0x",
            "\n  called from 0x",
            " __paravirt_upcall+0x",
            "\n  interrupted at 0x",
            " fault::interrupted+0x",
            &format!("{FILE}:"),
            "\n  called from 0x",
            " paravirt_main+0x",
            " _start+0x",
        ];
        expect_in_order(&report(&guest, "handler"), &parts);
    }
}

#[test]
fn a_walk_goes_from_a_handler_that_was_called_to_main() {
    for (_, guest) in each("fault") {
        let parts = [
            " fault::faults+0x",
            " __paravirt_deliver+0x",
            "\n  called from 0x",
            " paravirt_main+0x",
            " _start+0x",
        ];
        expect_in_order(&report(&guest, "delivered"), &parts);
    }
}

#[test]
fn a_panic_is_told_with_its_callers() {
    for (arch, guest) in each("fault") {
        let output = run(&guest, &[], &["panic"]);
        assert_eq!(output.status.code(), Some(3), "{arch}");
        let report = text(&output.stderr);
        // What the guest itself says of the place.
        let printed = text(&output.stdout);
        let place = printed
            .split_once("panicked at ")
            .and_then(|(_, rest)| rest.split_once(":\n"));
        let (place, _) = place.expect("a panic's message");
        assert!(place.starts_with(FILE), "{arch}: {place}");
        let parts = [
            "pvhost: guest gave up, with code 101\n  at 0x",
            " pv_shutdown+0x0\n  called from 0x",
            " paravirt_bsp::power::shutdown+0x",
            "panic_fmt+0x",
            &format!("{place} (main, inlined)"),
            " _start+0x",
        ];
        expect_in_order(&report, &parts);
    }
}

#[test]
fn a_function_that_calls_itself_is_told_once() {
    for (arch, guest) in each("fault") {
        let report = report(&guest, "overflow");
        expect_in_order(
            &report,
            &[
                "the stack overflowed",
                " times in a row from 0x",
                " fault::recurse+0x",
                " _start+0x",
            ],
        );
        assert_eq!(report.matches("fault::recurse+0x").count(), 2, "{arch}: {report}");
    }
}

#[test]
fn a_jump_to_what_is_no_code_has_the_line_of_its_caller() {
    for (_, guest) in each("fault") {
        let parts = [
            "\n  at 0x50\n  return address 0x",
            " fault::jump_nowhere+0x",
            FILE,
            "\n  called from 0x",
            " _start+0x",
        ];
        expect_in_order(&report(&guest, "jump"), &parts);
    }
}

#[test]
fn json_has_the_frames() {
    for (arch, guest) in each("fault") {
        let report = text(&run(&guest, &["--json"], &["handler"]).stderr);
        let line = report.lines().last().expect("a line");
        let report: Value = serde_json::from_str(line).expect("JSON");
        let frames = report["frames"].as_array().expect("a list");
        let function = |frame: &Value| frame["function"].as_str().unwrap_or_default().to_owned();
        assert!(
            function(&frames[0]).starts_with("fault::faults+0x"),
            "{arch}: {frames:#?}"
        );
        assert_eq!(frames[0]["source"][0]["file"], FILE, "{arch}");
        assert!(frames[0]["source"][0]["line"].is_u64(), "{arch}");
        let interrupted: Vec<_> = frames
            .iter()
            .filter(|frame| frame["interrupted"] == true)
            .map(function)
            .collect();
        assert_eq!(interrupted.len(), 1, "{arch}: {frames:#?}");
        assert!(interrupted[0].starts_with("fault::interrupted+0x"), "{arch}");
        assert!(function(frames.last().expect("one")).starts_with("_start+0x"), "{arch}");
    }
}

/// A copy of the guest without what these options of `strip` take.
fn stripped(guest: &Path, options: &[&str]) -> (TempDir, PathBuf) {
    program("strip");
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let copy = folder.path().join("guest");
    let mut command = Command::new("strip");
    let status = command.args(options).arg("-o").arg(&copy).arg(guest).status();
    assert!(status.expect("strip").success());
    (folder, copy)
}

#[test]
fn without_debug_information_functions_are_named() {
    for (arch, guest) in each("fault") {
        let (_folder, copy) = stripped(&guest, &["--strip-debug"]);
        let report = report(&copy, "null");
        assert!(!report.contains(".rs"), "{arch}: {report}");
        expect_in_order(
            &report,
            &[
                " fault::read_null+0x",
                "\n  called from 0x",
                " paravirt_main+0x",
                " _start+0x",
            ],
        );
    }
}

#[test]
fn without_symbols_there_are_addresses() {
    for (arch, guest) in each("fault") {
        let (_folder, copy) = stripped(&guest, &["--strip-all"]);
        let report = report(&copy, "null");
        assert!(!report.contains('+'), "{arch}: {report}");
        let callers = report.matches("\n  called from 0x").count();
        assert!(callers >= 3, "{arch}: {report}");
        let (_folder, copy) = stripped(&guest, &["--strip-all", "--remove-section=.eh_frame"]);
        let report = self::report(&copy, "null");
        assert!(report.contains("no unwind table"), "{arch}: {report}");
    }
}

/// GDB finds the tables where they are, in a section that is not loaded. The guest runs as a Linux program.
#[test]
fn gdb_walks_from_a_handler_to_the_entry_point() {
    program("gdb");
    for (_, guest) in each("fault") {
        let mut command = Command::new("gdb");
        command.args([
            "-nx",
            "-batch",
            "-ex",
            "handle SIG34 nostop noprint pass",
            "-ex",
            "run handler",
            "-ex",
            "bt",
        ]);
        let output = command.arg(&guest).output().expect("gdb");
        let said = text(&output.stdout);
        let parts = [
            "SIGILL",
            "fault::faults",
            "<signal handler called>",
            "interrupted ()",
            "main",
            "_start",
        ];
        expect_in_order(&said, &parts);
        assert!(!said.contains("Backtrace stopped"), "{said}");
    }
}
