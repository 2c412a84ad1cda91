// SPDX-License-Identifier: MIT OR Apache-2.0
//! The example host in C, a program for each architecture.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::arch::Arch;
use crate::command;
use crate::static_library;
use crate::workspace::Workspace;

/// Its name, as a host and as a program.
pub const NAME: &str = "c-host";

/// Arguments of the compiler for every architecture. A program whose addresses are fixed, and without a loader, which
/// would take addresses of its own.
const ARGUMENTS: [&str; 6] = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static"];

/// Its sources.
const SOURCES: [&str; 2] = ["c-host.c", "functions.c"];

/// The C compiler for programs of `arch`.
pub const fn compiler(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "cc",
        Arch::I386 => "i686-linux-gnu-gcc",
        Arch::Aarch64 => "aarch64-linux-gnu-gcc",
    }
}

/// Where the program goes: out of the way of guests, which are linked at 1 MiB, on AArch64 at 1 GiB and 2 MiB.
pub const fn text_segment(arch: Arch) -> u32 {
    match arch {
        Arch::X86_64 => 0x4000_0000,
        Arch::I386 => 0xa000_0000,
        Arch::Aarch64 => 0x8000_0000,
    }
}

/// The command that compiles a host for `arch`; sources, the library and the output are left to add.
pub fn compile(workspace: &Workspace, arch: Arch) -> Command {
    let mut cc = Command::new(compiler(arch));
    cc.args(ARGUMENTS)
        .arg(format!("-Wl,-Ttext-segment={:#x}", text_segment(arch)))
        .arg("-I")
        .arg(workspace.root().join("ffi/include"));
    cc
}

/// Builds it, and the library that it stands on, into the folder of hosts of that architecture. Returns its path.
///
/// # Errors
/// A compiler is missing or fails; its messages are in the error or on standard error. Or hosts are not for that
/// architecture.
pub fn build(workspace: &Workspace, arch: Arch) -> Result<PathBuf> {
    ensure!(
        Arch::ALL.contains(&arch),
        "there is no host for {arch} yet; its guests run in QEMU"
    );
    let folder = workspace.hosts().join(arch.name());
    fs::create_dir_all(&folder)?;
    let library = static_library::build(workspace, arch, static_library::HOST, &folder)?;
    let program = folder.join(NAME);
    // Another run may be using the one that is there.
    let partial = folder.join(format!("{NAME}.partial-{}", std::process::id()));
    let mut cc = compile(workspace, arch);
    cc.args(SOURCES.map(|source| workspace.root().join("examples/c-host").join(source)))
        .arg(library)
        .arg("-o")
        .arg(&partial);
    command::output(&mut cc)?;
    fs::rename(&partial, &program)?;
    Ok(program)
}
