// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask rtems`, `pok`, `l4re` and `linux`: the program of `host/ports`, which other tasks than the tests do not compile.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result};

use paravirt_build::command;

/// The command of that name; its arguments are left to add.
pub fn command(name: &str) -> Command {
    let mut cargo = command::cargo();
    cargo.args(["run", "--quiet", "--package", "paravirt-ports", "--", name]);
    cargo
}

/// Runs it in the folder where this program was called. Returns whether it succeeded; it has said what did not.
pub fn run(name: &str, arguments: &[OsString]) -> Result<bool> {
    let status = command(name).args(arguments).status().context("cannot start cargo")?;
    Ok(status.success())
}
