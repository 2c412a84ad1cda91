// SPDX-License-Identifier: MIT OR Apache-2.0
//! make, by which users' trees are built.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// A make that takes no options from one that runs this program.
pub fn command() -> Command {
    let mut make = Command::new("make");
    make.env_remove("MAKEFLAGS");
    make
}

/// Runs a make whose output is of interest only if it fails: then the error holds it, behind `failure`.
pub fn run(make: &mut Command, failure: &str) -> Result<()> {
    let output = make.stdin(Stdio::null()).output().context("cannot start make")?;
    ensure!(
        output.status.success(),
        "{failure}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
