// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much of its stack a guest without RTEMS uses.

use std::process::Output;

use super::guests::{Arch, each, guest, pvhost};

fn messages(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Bytes that are said to be used of the stack on which the guest starts, and its size.
#[track_caller]
fn used(messages: &str) -> (u64, u64) {
    let line = messages.lines().find_map(|line| line.strip_prefix("stack of start"));
    let line = line.unwrap_or_else(|| panic!("no line about the stack in {messages}"));
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let &[used, size] = &numbers[..] else {
        panic!("{line}");
    };
    (used, size)
}

#[test]
fn the_most_that_was_used_is_said() {
    for (arch, guest) in each("hello") {
        let output = pvhost(&guest, &["--stack-check", "--stats"], &[])
            .output()
            .expect("pvhost starts");
        assert_eq!(output.status.code(), Some(0), "{arch}: {output:?}");
        let (used, size) = used(&messages(&output));
        assert_eq!(size, 0x1_0000, "{arch}: the linker script's");
        assert!((64..16_384).contains(&used), "{arch}: {used}");
        assert!(!messages(&output).contains("overflowed"), "{output:?}");
    }
}

#[test]
fn json_has_it_and_without_the_option_nothing() {
    let guest = guest(Arch::X86_64, "hello");
    let json = |options: &[&str]| {
        let output = pvhost(&guest, options, &[]).output().expect("pvhost starts");
        let line = messages(&output).lines().last().expect("a line").to_owned();
        serde_json::from_str::<serde_json::Value>(&line).expect("JSON")["stacks"].clone()
    };
    assert_eq!(json(&["--json"]), serde_json::Value::Null);
    let stacks = json(&["--json", "--stack-check"]);
    assert_eq!(stacks[0]["name"], "start");
    assert_eq!(stacks[0]["size"], 0x1_0000);
    assert_eq!(stacks[0]["overflowed"], false);
    assert!(
        stacks[0]["id"].is_null() && stacks[0]["used"].as_u64() > Some(0),
        "{stacks}"
    );
}

/// Below the stack of a guest nothing is mapped: it faults, and all of it was used.
#[test]
fn a_stack_that_overflows_was_used_up() {
    for (arch, guest) in each("fault") {
        let options = ["--stack-check", "--stats"];
        let output = pvhost(&guest, &options, &["overflow"]).output().expect("pvhost starts");
        assert_eq!(output.status.code(), Some(5), "{arch}: {output:?}");
        let messages = messages(&output);
        assert!(messages.contains("the stack overflowed"), "{messages}");
        assert!(messages.contains("the stack of start has overflowed"), "{messages}");
    }
}
