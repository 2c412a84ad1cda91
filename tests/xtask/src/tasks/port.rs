// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask rtems`, `pok` and `l4re`: the program of `host/ports`, which other tasks than the tests do not compile.

use std::ffi::OsString;

use anyhow::{Context, Result};

use paravirt_build::command;

/// Runs that command with `arguments`, in the folder where it was called. Returns whether it succeeded; it has said
/// what did not.
///
/// # Errors
/// Cargo does not start.
pub fn run(name: &str, arguments: &[OsString]) -> Result<bool> {
    let status = command::cargo()
        .args(["run", "--quiet", "--package", "paravirt-ports", "--"])
        .arg(name)
        .args(arguments)
        .status()
        .context("cannot start cargo")?;
    Ok(status.success())
}
