// SPDX-License-Identifier: MIT OR Apache-2.0
//! Baselines in C, static programs, and guests in assembly, compiled when they are needed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use test_support::Arch;

/// C compilers for an architecture, with their arguments; the first that works is used.
const fn compilers(arch: Arch) -> &'static [&'static [&'static str]] {
    match arch {
        Arch::X86_64 => &[&["cc", "-m64"]],
        Arch::I386 => &[&["i686-linux-gnu-gcc"], &["cc", "-m32"]],
        Arch::Aarch64 => &[&["aarch64-linux-gnu-gcc"]],
    }
}

/// Compiles `baseline/NAME.c` for `arch` into `folder`; the program.
///
/// # Errors
/// No C compiler for the architecture can do it.
pub fn build(arch: Arch, name: &str, folder: &Path) -> Result<PathBuf> {
    let arguments = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-static"];
    compile(arch, &format!("{name}.c"), &arguments, folder)
}

/// Assembles `baseline/NAME.S`, a guest without the layer, for `arch` into `folder`, where guests with it lie, too; the
/// guest.
///
/// # Errors
/// As [`build`].
pub fn assemble(arch: Arch, name: &str, folder: &Path) -> Result<PathBuf> {
    let address = match arch {
        Arch::X86_64 | Arch::I386 => "-Wl,-Ttext-segment=0x100000",
        Arch::Aarch64 => "-Wl,-Ttext-segment=0x40200000",
    };
    let arguments = ["-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", address];
    compile(arch, &format!("{name}.S"), &arguments, folder)
}

fn compile(arch: Arch, file: &str, arguments: &[&str], folder: &Path) -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline").join(file);
    let program = folder.join(format!("{file}-{arch}"));
    let mut reasons = Vec::new();
    for compiler in compilers(arch) {
        let mut command = Command::new(compiler[0]);
        command
            .args(&compiler[1..])
            .args(arguments)
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
