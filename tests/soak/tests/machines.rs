// SPDX-License-Identifier: MIT OR Apache-2.0
//! The README's two commands on the pristine machines for which a run in CI has no time.

use std::process::{Command, Stdio};

use test_support::need::{Need, User};

#[test]
fn the_two_commands_work_on_other_machines() {
    let id = Command::new("id").arg("-u").output().expect("coreutils");
    if id.stdout.trim_ascii() != b"0" {
        Need::User(User::Root).panic("a Debian of its own is made by root");
    }
    let status = Command::new("bash")
        .current_dir(test_support::workspace().root())
        .args([".ci/run", "bare", "backports"])
        .stdin(Stdio::null())
        .status()
        .expect("bash");
    assert!(status.success(), "{status}");
}
