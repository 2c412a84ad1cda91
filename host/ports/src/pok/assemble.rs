// SPDX-License-Identifier: MIT OR Apache-2.0
//! The assembler, for what a node is made of beside code.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use paravirt_build::command;

/// Assembles for 32-bit x86.
///
/// # Errors
/// The assembler's.
pub fn assemble(source: &Path, object: &Path) -> Result<()> {
    command::run(
        Command::new("gcc")
            .args(["-m32", "-c"])
            .arg(source)
            .arg("-o")
            .arg(object),
    )
}
