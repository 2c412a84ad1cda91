// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo install --path host`: compiling takes minutes, so it is not among the tests that are run for each change.

use std::fs;
use std::process::{Command, Stdio};

use test_support::Arch;

#[test]
fn the_installed_program_runs_guests_without_this_tree() {
    let root = tempfile::tempdir().expect("a folder");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let installed = Command::new(env!("CARGO"))
        .current_dir(test_support::workspace().root())
        .args(["install", "--quiet", "--locked", "--path", "host", "--root"])
        .arg(root.path())
        .stdin(Stdio::null())
        .status();
    assert!(installed.expect("cargo starts").success());
    for arch in Arch::ALL {
        let guest = elsewhere.path().join("guest");
        fs::copy(test_support::guest(arch, "hello"), &guest).expect("a guest can be copied");
        let output = Command::new(root.path().join("bin/pvhost"))
            .current_dir(elsewhere.path())
            .args(["run", "guest"])
            .output()
            .expect("the program starts");
        assert!(output.status.success(), "{arch}: {output:?}");
        assert_eq!(output.stdout, b"Hello from a paravirtualized guest\n", "{arch}");
    }
    // What it does not have it names.
    let output = Command::new(root.path().join("bin/pvhost"))
        .current_dir(elsewhere.path())
        .args(["run", "--host", "qemu", "guest"])
        .env("PATH", "")
        .output()
        .expect("the program starts");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("qemu-system-x86_64"), "{message}");
}
