// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program that says how C is laid out: one version of it, because each has ideas of its own.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command;
use crate::workspace::Workspace;

/// The version, which is that of Debian 13.
const VERSION: &str = "19.1.7";
/// The program.
const PROGRAM: &str = "clang-format";

/// The program of that version: the one in `PATH` if it is, else the one that was unpacked.
///
/// # Errors
/// There is none of that version.
pub fn program(workspace: &Workspace) -> Result<PathBuf> {
    let unpacked = workspace.clang_format().join("clang_format/data/bin").join(PROGRAM);
    let programs = command::in_path(PROGRAM).into_iter().chain([unpacked]);
    let mut programs = programs.filter(|program| is_of_the_version(program).is_ok_and(|is| is));
    programs
        .next()
        .with_context(|| format!("there is no {PROGRAM} {VERSION}"))
}

fn is_of_the_version(program: &PathBuf) -> Result<bool> {
    // `Debian clang-format version 19.1.7 (3+b1)`
    let text = command::output(Command::new(program).arg("--version"))?;
    let number = text.split_once("version ").map_or("", |(_, rest)| rest);
    Ok(number.split_whitespace().next() == Some(VERSION))
}

/// Unpacks it from Python's package index, where packages of LLVM's programs hold nothing else.
pub(crate) fn unpack(workspace: &Workspace) -> Result<()> {
    let folder = workspace.clang_format();
    // A package that is there already would be left as it is.
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
    ])
    .args(["--no-deps", "--only-binary=:all:", "--target"])
    .arg(&folder)
    .arg(format!("{PROGRAM}=={VERSION}"));
    command::output(&mut pip)?;
    let is_there = folder.join("clang_format/data/bin").join(PROGRAM).is_file();
    ensure!(
        is_there,
        "the package of {PROGRAM} {VERSION} has no program for this machine"
    );
    Ok(())
}
