// SPDX-License-Identifier: MIT OR Apache-2.0
//! Baselines in C: static programs, compiled when they are needed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use test_support::Arch;

/// C compilers for an architecture, with their arguments; the first that works is used.
const fn compilers(arch: Arch) -> &'static [&'static [&'static str]] {
    match arch {
        Arch::I386 => &[&["i686-linux-gnu-gcc"], &["cc", "-m32"]],
        _ => &[&["cc", "-m64"]],
    }
}

/// Compiles `baseline/NAME.c` for `arch` into `folder`; the program.
///
/// # Errors
/// No C compiler for the architecture can do it.
pub fn build(arch: Arch, name: &str, folder: &Path) -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("baseline/{name}.c"));
    let program = folder.join(format!("{name}-{arch}"));
    let mut reasons = Vec::new();
    for compiler in compilers(arch) {
        let mut command = Command::new(compiler[0]);
        command
            .args(&compiler[1..])
            .args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-static"])
            .arg(&source)
            .arg("-o")
            .arg(&program);
        match command.output() {
            Ok(output) if output.status.success() => return Ok(program),
            Ok(output) => reasons.push(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => reasons.push(format!("{}: {error}", compiler[0])),
        }
    }
    bail!("cannot compile {} for {arch}: {}", source.display(), reasons.join("; "));
}
