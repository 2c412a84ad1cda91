// SPDX-License-Identifier: MIT OR Apache-2.0
//! The static library for hosts in C.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::arch::Arch;
use crate::command;
use crate::files::write_if_changed;
use crate::guests;
use crate::rtems::library::remove_intrinsics;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

/// The package.
const PACKAGE: &str = "paravirt-host";
/// What the package builds.
pub const FILE: &str = "libparavirt_host.a";

/// Builds the library for `arch` and copies it into `folder` unless the same is there. Returns its path.
///
/// # Errors
/// No compiler for that architecture, or the build fails; the compiler's messages are on standard error.
pub fn build(workspace: &Workspace, arch: Arch, folder: &Path) -> Result<PathBuf> {
    let toolchain = Toolchain::find(workspace, arch)?;
    let mut cargo = toolchain.cargo();
    cargo
        .args(["rustc", "--quiet", "--profile=guest", "--lib"])
        .args(["--package", PACKAGE, "--crate-type=staticlib"]);
    guests::configure(&mut cargo, workspace, &toolchain, arch);
    command::run(&mut cargo)?;
    let built = workspace
        .guests_build(arch)
        .join(toolchain.target())
        .join("guest")
        .join(FILE);
    let stripped = built.with_extension("stripped");
    fs::copy(&built, &stripped).with_context(|| format!("cannot copy {}", built.display()))?;
    remove_intrinsics(&stripped)?;
    let finished = folder.join(FILE);
    write_if_changed(&finished, &fs::read(&stripped)?)?;
    Ok(finished)
}
