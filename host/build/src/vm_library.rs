// SPDX-License-Identifier: MIT OR Apache-2.0
//! The process host as a library for programs in C: `libparavirt_vm`, shared and static.

use std::path::PathBuf;

use anyhow::Result;

use crate::command;
use crate::workspace::Workspace;

/// The names of its files.
pub const FILES: [&str; 2] = ["libparavirt_vm.so", "libparavirt_vm.a"];

/// Builds the library, optimized; the paths of [`FILES`].
///
/// # Errors
/// The build fails; the compiler's messages are on standard error.
pub fn build(workspace: &Workspace) -> Result<[PathBuf; 2]> {
    let target = workspace.root().join("target");
    let mut cargo = command::cargo();
    cargo
        .current_dir(workspace.root())
        .args([
            "rustc",
            "--quiet",
            "--profile=library",
            "--lib",
            "--package=paravirt-vm",
        ])
        .arg("--crate-type=cdylib,staticlib")
        .arg("--target-dir")
        .arg(&target)
        // Else a program that is linked with the file by its path would look for it there.
        .args(["--", "-Clink-arg=-Wl,-soname,libparavirt_vm.so"]);
    command::run(&mut cargo)?;
    Ok(FILES.map(|file| target.join("library").join(file)))
}
