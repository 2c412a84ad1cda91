// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of files, symbols and functions, and what lists say, reach no terminal but as what it shows.

use std::process::Output;

use object::elf;
use paravirt_abi::sections;
use pvhost::image::Machine;
use pvhost::text::is_shown;

use crate::guest::{CODE, Guest, Symbol};
use crate::program::{Folder, text};

/// What a terminal obeys (of C0 and C1), what reverses the rest of the line, what begins a new one for some readers,
/// and a line that looks like one of ours.
const EVIL: &str = "x\u{1b}[31m\u{9b}2J\u{202e}\u{2066}\u{2028}\u{200b}\nevil: all is well";

/// Returns whether that may be printed, to a person or as JSON.
#[track_caller]
fn is_harmless(output: &Output, arguments: &[&str]) {
    for stream in [&output.stdout, &output.stderr] {
        let text = text(stream);
        for line in text.lines() {
            // A header of C has tabs.
            let is_harmless = |character| character == '\t' || is_shown(character);
            assert!(line.chars().all(is_harmless), "{arguments:?}: {line:?}");
            assert!(!line.starts_with("evil"), "{arguments:?}: {text:?}");
        }
    }
}

/// A guest with an instruction that is not allowed, in a function of that name.
fn guest(symbol: &str) -> Vec<u8> {
    let mut guest = Guest::with(Machine::X86_64, sections::PREFIX, &[("own", None)]);
    guest.poke(CODE, &[0xf4]);
    guest.section_of_code(".text", CODE, 0x40);
    guest.symbols.push(Symbol::new(symbol, CODE, 0x10, elf::STT_FUNC));
    guest.build()
}

#[test]
fn text_of_others_is_escaped_wherever_it_is_printed() {
    let folder = Folder::new();
    let named = |kind: &str| format!("{kind}-{EVIL}");
    let (good, bad, absent) = (named("good"), named("bad"), named("absent"));
    let (list, wrong, rules, unused) = (named("list"), named("wrong"), named("rules"), named("unused"));
    let (copy, folder_name) = (named("copy"), named("folder"));
    folder.write(&good, guest(EVIL));
    folder.write(&bad, EVIL);
    folder.write(&list, "own @ 0x1000\n");
    folder.write(&wrong, EVIL);
    folder.write(&rules, EVIL);
    folder.write(
        &unused,
        EVIL.replace('\n', " ") + ": cli  # " + &EVIL.replace('\n', " "),
    );
    std::fs::create_dir(folder.path().join(&folder_name)).expect("a folder");
    let mut seen = String::new();
    for guest in [&good, &bad, &absent, &folder_name] {
        let mut commands: Vec<Vec<&str>> = vec![
            vec!["list", guest],
            vec!["list", guest, "--verbose"],
            vec!["list", guest, "--json"],
            vec!["audit", guest],
            vec!["audit", guest, "--json"],
            vec!["check", guest, "--host", "process"],
            vec!["check", guest, "--host", "xen"],
            vec!["check", guest, "--host", "qemu", "--json"],
            vec!["check", guest, "--verbose", "--provides", &list],
            vec!["check", guest, "--json", "--provides", &list],
            vec!["check", guest, "--provides", &wrong],
            vec!["check", guest, "--provides", &absent],
            vec!["check", guest, "--host", EVIL],
            vec!["audit", guest, "--allow", &rules],
            vec!["audit", guest, "--verbose", "--allow", &unused],
            vec!["audit", guest, "--allow", &absent],
            vec!["audit", guest, "--json", "--allow", &unused],
            vec!["bind", guest, "--provides", &list, "-o", &copy],
            vec!["bind", guest, "--provides", &list, "-o", &copy, "--json"],
            vec!["bind", guest, "--provides", &wrong, "-o", &copy],
            vec!["bind", guest, "--provides", &list, "-o", guest],
            vec!["bind", guest, "--provides", &list, "-o", &folder_name],
            vec!["image", guest, "-o", &copy],
            vec!["image", guest, "-o", guest],
            vec!["man", &absent],
            vec!["run", guest],
            vec!["run", guest, "--host", "qemu"],
            vec!["run", "--", guest, EVIL],
            vec![EVIL],
            vec!["list", guest, EVIL],
        ];
        for format in ["c", "rust", "json", "func-list"] {
            commands.push(vec!["header", guest, "--format", format]);
            commands.push(vec!["header", guest, "--format", format, "-o", &folder_name]);
        }
        for arguments in commands {
            // Nobody has a backend or a vCPU page with code here, so nothing runs.
            let output = folder.pvhost(arguments.iter().copied()).output();
            let output = output.expect("pvhost");
            is_harmless(&output, &arguments);
            seen += &text(&output.stdout);
            seen += &text(&output.stderr);
        }
    }
    // It was there to be printed.
    for part in [
        "good-x\\u{1b}[31m",
        "\\u{202e}",
        "\\u{2028}",
        "\\nevil",
        "\\u009b",
        "\\u202e",
    ] {
        assert!(seen.contains(part), "{part}");
    }
}

#[test]
fn json_keeps_what_it_says() {
    let folder = Folder::new();
    folder.write(EVIL, guest(EVIL));
    let output = folder.pvhost(["list", EVIL, "--json"]).output();
    let json: serde_json::Value = serde_json::from_slice(&output.expect("pvhost").stdout).expect("JSON");
    assert_eq!(json["file"], EVIL);
}
