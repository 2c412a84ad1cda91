// SPDX-License-Identifier: MIT OR Apache-2.0
//! A real gdb, and what it says.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

/// What gdb prints that does these commands, without anything of the user's; `arguments` are the program, and with it a
/// core, or `--args` and a command.
///
/// # Panics
/// If there is no gdb.
#[track_caller]
pub fn gdb(commands: &[&str], arguments: &[impl AsRef<OsStr>]) -> String {
    crate::program("gdb");
    gdb_at("gdb", commands, arguments)
}

/// The same of another gdb.
///
/// # Panics
/// If it does not start.
#[track_caller]
pub fn gdb_at(program: impl AsRef<OsStr>, commands: &[&str], arguments: &[impl AsRef<OsStr>]) -> String {
    let mut gdb = Command::new(program);
    gdb.env_remove("DEBUGINFOD_URLS").args(["-nx", "-q", "-batch"]);
    for command in commands {
        gdb.args(["-ex", command]);
    }
    let output = gdb.args(arguments).stdin(Stdio::null()).output();
    let output = output.expect("gdb starts");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Requires that a text has these parts, in this order.
///
/// # Panics
/// If it has not.
#[track_caller]
pub fn has_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let (_, behind) =
            (rest.split_once(part)).unwrap_or_else(|| panic!("no {part:?} where it should be in\n{text}"));
        rest = behind;
    }
}
