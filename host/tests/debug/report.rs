// SPDX-License-Identifier: MIT OR Apache-2.0
//! Callers and source lines in reports, and in a debugger.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use pvhost::debug::backtrace::Backtrace;
use pvhost::fault::Registers;
use pvhost::image::Image;
use serde_json::Value;
use tempfile::TempDir;
use test_support::{gdb, has_in_order, program};

use super::guests::{Arch, Running, each, guest, pvhost, run, text};

const FILE: &str = "tests/guests/checks/src/bin/fault.rs";

/// The report of the guest that ends in that way.
fn report(guest: &Path, end: &str) -> String {
    text(&run(guest, &[], &[end]).stderr)
}

#[test]
fn a_fault_is_named_with_its_line_and_its_callers() {
    for (arch, guest) in each("fault") {
        let report = report(&guest, "null");
        has_in_order(
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
        has_in_order(&report(&guest, "handler"), &parts);
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
        has_in_order(&report(&guest, "delivered"), &parts);
    }
}

/// What interrupts at the end of a call of the host comes in the host's gate, which has no table and no name.
#[test]
fn a_walk_goes_through_the_gate_of_a_host() {
    for (arch, guest) in each("fault") {
        let report = report(&guest, "raised");
        let parts = [
            " fault::faults+0x",
            " __paravirt_upcall+0x",
            "\n  interrupted at 0x",
            "\n  called from 0x",
        ];
        has_in_order(&report, &parts);
        has_in_order(&report, &["\n  interrupted at 0x", " paravirt_main+0x", " _start+0x"]);
        let gate = report.lines().find(|line| line.starts_with("  interrupted at"));
        assert!(gate.is_some_and(|line| !line.contains('+')), "{arch}: {report}");
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
        has_in_order(&report, &parts);
    }
}

#[test]
fn a_function_that_calls_itself_is_told_once() {
    for (arch, guest) in each("fault") {
        let report = report(&guest, "overflow");
        has_in_order(
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
        has_in_order(&report(&guest, "jump"), &parts);
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

#[test]
fn what_the_guest_has_collected_and_not_sent_comes_before_the_report() {
    for (arch, guest) in each("fault") {
        let (mut reader, writer) = std::io::pipe().expect("a pipe");
        let mut command = pvhost(&guest, &[], &["collected"]);
        command.stdout(writer.try_clone().expect("a pipe")).stderr(writer);
        let mut running = Running::start(&mut command);
        // Its ends of the pipe.
        drop(command);
        let mut both = String::new();
        reader.read_to_string(&mut both).expect("a pipe");
        assert_eq!(running.ends().code(), Some(5), "{arch}: {both}");
        has_in_order(&both, &["of a line that was not sent", "pvhost: guest fault: "]);
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
        has_in_order(
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
    for (_, guest) in each("fault") {
        let commands = ["handle SIG34 nostop noprint pass", "run handler", "bt"];
        let said = gdb(&commands, &[&guest]);
        let parts = [
            "SIGILL",
            "fault::faults",
            "<signal handler called>",
            "interrupted ()",
            "main",
            "_start",
        ];
        has_in_order(&said, &parts);
        assert!(!said.contains("Backtrace stopped"), "{said}");
    }
}

/// What is told of a guest that has stopped at so many places in its code, with its own memory, as it starts, for a
/// stack.
fn told(image: &Image, count: u64) -> String {
    let code = image.segments().iter().find(|segment| segment.access.execute);
    let code = code.expect("an entry point");
    let stack = image.segments().last().expect("one").address;
    let places = (0..count).map(|place| code.address + code.size / count * place);
    let told = places.map(|instruction| {
        let registers = Registers {
            general: [stack; 16],
            instruction,
            flags: 0,
        };
        Backtrace::new(image, &registers.into(), true, image).to_string()
    });
    told.collect()
}

/// Where in the file the section is: the positions of its offset and its size in the section header, and both.
fn section(file: &[u8], name: &str) -> [usize; 4] {
    let number = |at: usize, size: usize| {
        let mut bytes = [0; 8];
        bytes[..size].copy_from_slice(&file[at..at + size]);
        u64::from_le_bytes(bytes) as usize
    };
    // ELF's class, then where the section headers say what (System V ABI, 4).
    let (headers, entry, count, names, [offset, size], word) = if file[4] == 2 {
        (number(40, 8), 64, number(60, 2), number(62, 2), [24, 32], 8)
    } else {
        (number(32, 4), 40, number(48, 2), number(50, 2), [16, 20], 4)
    };
    let names = number(headers + names * entry + offset, word);
    let mut all = (0..count).map(|index| headers + index * entry);
    let header = all.find(|&header| {
        let start = names + number(header, 4);
        file[start..].starts_with(name.as_bytes()) && file[start + name.len()] == 0
    });
    let header = header.unwrap_or_else(|| panic!("no section {name}"));
    let places = [header + offset, header + size];
    [places[0], places[1], number(places[0], word), number(places[1], word)]
}

/// Gives a section of the file another content.
fn replace(file: &mut Vec<u8>, name: &str, content: &[u8]) {
    let [offset, size, ..] = section(file, name);
    let word = if file[4] == 2 { 8 } else { 4 };
    let end = file.len();
    file[offset..offset + word].copy_from_slice(&end.to_le_bytes()[..word]);
    file[size..size + word].copy_from_slice(&content.len().to_le_bytes()[..word]);
    file.extend(content);
}

const SECTIONS: [&str; 5] = [
    ".eh_frame",
    ".debug_info",
    ".debug_abbrev",
    ".debug_line",
    ".debug_ranges",
];

/// No panic, no hang; and the file's bytes do matter, so that the tests try something.
#[test]
fn damaged_tables_and_debug_information_are_survived() {
    for (arch, guest) in each("fault") {
        let file = fs::read(&guest).expect("a guest");
        let sound = told(&Image::parse("guest", file.clone()).expect("a guest"), 16);
        assert!(sound.contains("fault.rs:"), "{arch}: {sound}");
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = |below: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % below as u64) as usize
        };
        for name in SECTIONS {
            let [_, _, offset, size] = section(&file, name);
            let mut others = 0;
            for _ in 0..60 {
                let mut changed = file.clone();
                for _ in 0..1 + next(64) {
                    changed[offset + next(size)] = [0, 1, 0x7f, 0x80, 0xff, next(256) as u8][next(6)];
                }
                let image = Image::parse("guest", changed).expect("its memory is as before");
                others += usize::from(told(&image, 16) != sound);
            }
            assert!(others > 10, "{arch} {name}: {others} of 60 were noticed");
        }
    }
}

/// A file that says to read the same bytes again and again: time does not grow with what it says.
#[test]
fn debug_information_that_asks_for_endless_work_has_an_end() {
    const MIB: usize = 1 << 20;
    let file = fs::read(guest(Arch::X86_64, "fault")).expect("a guest");
    // Units without an end, each with a table of abbreviations of many attributes that take no bytes.
    let unit = [
        &7_u32.to_le_bytes()[..],
        &4_u16.to_le_bytes(),
        &0_u32.to_le_bytes(),
        &[8],
    ]
    .concat();
    let unit = [&8_u32.to_le_bytes()[..], &unit[4..], &[1]].concat();
    let present = [0x3f, 0x19].repeat(MIB / 16);
    let abbreviations = [&[1, 0x11, 0][..], &present, &[0, 0, 0]].concat();
    // Entries of code that overlap, with instructions to the end of the section.
    let frames = {
        let cie = [&[16, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0x78, 16][..], &[0; 7]].concat();
        let mut frames = cie;
        while frames.len() < 2 * MIB {
            let back = frames.len() as u32 + 4;
            let start = 0x10_0000_u64.to_le_bytes();
            let size = 0x10_0000_u64.to_le_bytes();
            frames.extend(
                [
                    &28_u32.to_le_bytes()[..],
                    &back.to_le_bytes(),
                    &start,
                    &size,
                    &[0x0a, 0x0b, 0, 0],
                ]
                .concat(),
            );
        }
        frames
    };
    for (name, content) in [
        (".debug_info", unit.repeat(2 * MIB / unit.len())),
        (".debug_abbrev", abbreviations),
        (".eh_frame", frames),
        (".debug_line", vec![0xff; 2 * MIB]),
    ] {
        let mut file = file.clone();
        if name == ".debug_abbrev" {
            replace(&mut file, ".debug_info", &unit.repeat(2 * MIB / unit.len()));
        }
        replace(&mut file, name, &content);
        let image = Image::parse("guest", file).expect("its memory is as before");
        let start = Instant::now();
        let _ = told(&image, 1);
        // By a program that is not optimized, on a machine with much else to do.
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "{name}: {:?}",
            start.elapsed()
        );
    }
}
