// SPDX-License-Identifier: MIT OR Apache-2.0
//! Our package: the list of functions of a guest, and the program.

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};

use super::machine::{Machine, Task};
use crate::make;
use paravirt_build::command;
use paravirt_build::files::write_if_changed;
use paravirt_build::hosts;

/// The program.
pub const PROGRAM: &str = "paravirt";

/// Builds the package for the task's guest in the build folder, where image makers find it.
pub fn build(machine: &Machine<'_>, task: &Task<'_>) -> Result<()> {
    let tree = &machine.tree;
    let list = hosts::list(&machine.pvhost, task.guest)?;
    let of_guest = list["machine"].as_str().unwrap_or_default();
    // A guest of another architecture could not even be compared with what the program has.
    ensure!(
        of_guest == tree.arch.name(),
        "{} is for {of_guest}; {} runs guests for {}",
        task.guest.display(),
        tree.build.display(),
        tree.arch
    );
    let functions = machine.overlay.join("paravirt-functions");
    fs::create_dir_all(&functions)?;
    let mut header = Command::new(&machine.pvhost);
    let list = command::output(header.arg("header").arg(task.guest).args(["--format", "c"]))?;
    write_if_changed(&functions.join("functions.h"), list.as_bytes())?;
    let sources: Vec<_> = task.sources.iter().map(|file| file.display().to_string()).collect();
    let mut make = make(machine);
    make.arg("--directory")
        .arg(machine.workspace.root().join("host/l4re"))
        .arg(format!("L4DIR={}", tree.source.display()))
        .arg(format!("PARAVIRT_LIBRARY={}", machine.library.display()))
        .arg(format!("PARAVIRT_FUNCTIONS={}", functions.display()))
        .arg(format!("PARAVIRT_SOURCES={}", sources.join(" ")));
    make::run(&mut make, "the package host/l4re does not build")
}

/// A make that builds in our build folder.
pub fn make(machine: &Machine<'_>) -> Command {
    let mut make = make::command();
    make.arg(format!("O={}", machine.overlay.display()))
        .current_dir(&machine.tree.source);
    make
}
