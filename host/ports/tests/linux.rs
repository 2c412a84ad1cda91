// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask linux`.

use std::process::Command;

use test_support::Arch;

/// Runs that guest; whether the command succeeded, and what it printed.
fn run(guest: &str, options: &[&str]) -> (bool, String) {
    for tool in paravirt_ports::linux::NEEDED {
        test_support::tool(tool);
    }
    let output = Command::new(env!("CARGO_BIN_EXE_ports"))
        .arg("linux")
        .arg(test_support::guest(Arch::Aarch64, guest))
        .args(options)
        .output()
        .expect("it starts");
    let messages = String::from_utf8_lossy(&output.stderr);
    let text = format!("{}{messages}", String::from_utf8_lossy(&output.stdout));
    (output.status.success(), text)
}

#[test]
fn a_guest_runs_with_options_and_arguments() {
    let (ok, said) = run("hello", &["--", "--stats"]);
    assert!(ok, "{said}");
    for part in [
        "Hello from a paravirtualized guest\n",
        "sandbox                        filter\n",
        "\n(exit status 0)\n",
    ] {
        assert!(said.contains(part), "no {part:?} in\n{said}");
    }
    let (ok, said) = run("el1", &["--", "--stats", "--", "null"]);
    assert!(!ok && said.contains("guest fault: bad write"), "{said}");
    assert!(said.ends_with("\n(exit status 5)\n"), "{said}");
}

#[test]
fn what_does_not_get_there_is_refused() {
    let (ok, said) = run("hello", &["--", "--", "two words"]);
    assert!(!ok && said.contains("\"two words\""), "{said}");
    let (ok, said) = run("hello", &["--timeout", "1"]);
    assert!(!ok && said.contains("Linux in QEMU did not end"), "{said}");
}
