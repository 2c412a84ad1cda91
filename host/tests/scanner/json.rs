// SPDX-License-Identifier: MIT OR Apache-2.0
//! The members of the JSON that the program prints are those that `host/README.md` lists.

use std::collections::BTreeSet;

use paravirt_abi::sections;
use pvhost::image::Machine;
use serde_json::Value;

use crate::guest::{CODE, Guest, Section};
use crate::program::Folder;

/// The paths of all members, such as `functions[].name`.
fn paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{name}");
                if !value.is_array() {
                    found.insert(path.clone());
                }
                paths(value, &path, found);
            }
        }
        Value::Array(elements) => {
            let path = format!("{path}[]");
            found.insert(path.clone());
            for element in elements {
                paths(element, &path, found);
            }
        }
        _ => {}
    }
}

/// The paths in the table of that section.
fn documented(title: &str) -> BTreeSet<String> {
    let text = include_str!("../../README.md");
    let (_, rest) = text.split_once(&format!("\n### `{title}`\n")).expect(title);
    let section = rest.split("\n#").next().expect("text");
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(path, _)| path.to_owned())
        .collect()
}

/// Guests and lists in whose reports every member occurs.
fn folder() -> Folder {
    let folder = Folder::new();
    let mismatch = [("pv_irq_mask", Some(0x1000_0000_0000_00a7))];
    let mut leftovers = Guest::with(Machine::I386, sections::PREFIX, &mismatch);
    leftovers.poke(CODE, &[0xf4]);
    leftovers.section_of_code(".text", CODE, 0x20);
    leftovers.sections.push(Section {
        name: ".rodata".to_owned(),
        address: CODE + 0x20,
        size: 0x20,
        allocated: true,
        executable: false,
    });
    folder.write("leftovers", leftovers.build());
    folder.write("list.allow", "nowhere: cli  # gone\n");
    folder.write("host.txt", "pv_irq_mask @ 0x1000\n");
    folder
}

#[test]
fn every_member_is_documented_and_there() {
    let folder = folder();
    for (title, commands) in [
        ("list --json", &["list leftovers --json", "list old --json"][..]),
        ("header --format json", &["header guest --format json"]),
        ("check --json", &["check leftovers --host process --json"]),
        ("audit --json", &["audit leftovers --allow list.allow --json"]),
        ("bind --json", &["bind leftovers --provides host.txt -o out --json"]),
    ] {
        let mut found = BTreeSet::new();
        for command in commands {
            let output = folder.run(command);
            assert!(output.stderr.is_empty(), "{command}");
            let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            paths(&value, "", &mut found);
        }
        assert_eq!(found, documented(title), "{title}");
    }
}

/// Which says on standard error what it does meanwhile.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn every_member_of_a_run_of_tests_is_documented_and_there() {
    let folder = folder();
    let output = folder.run("test leftovers --retries 1 --output logs --json");
    let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut found = BTreeSet::new();
    paths(&value, "", &mut found);
    assert_eq!(found, documented("test --json"));
}

#[test]
fn errors_stay_text_with_the_same_status() {
    let folder = folder();
    for command in [
        "list absent",
        "check absent --host process",
        "audit absent",
        "audit leftovers --allow absent",
        "bind leftovers --provides absent -o out",
        "bind absent --provides host.txt -o out",
    ] {
        let (plain, json) = (folder.run(command), folder.run(&format!("{command} --json")));
        assert!(json.stdout.is_empty(), "{command}");
        assert!(json.stderr.starts_with(b"pvhost: error: "), "{command}");
        assert_eq!(json.stderr, plain.stderr, "{command}");
        assert_eq!(json.status.code(), plain.status.code(), "{command}");
        assert_eq!(json.status.code(), Some(1), "{command}");
    }
    for (command, status) in [
        ("check leftovers --host process", 1),
        ("audit leftovers", 1),
        ("list leftovers", 0),
    ] {
        let json = folder.run(&format!("{command} --json"));
        assert_eq!(json.status.code(), Some(status), "{command}");
        assert_eq!(folder.run(command).status.code(), Some(status), "{command}");
    }
}
