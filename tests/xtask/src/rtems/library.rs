// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Rust part of the BSP, as the static library that RTEMS' linker takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::arch::Arch;
use crate::guests;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

/// The package.
pub const PACKAGE: &str = "rtems-paravirt";
/// What the package builds.
pub const FILE: &str = "librtemsparavirt.a";

/// Builds the library and copies it into `folder` unless the same is there. Returns its path.
///
/// # Errors
/// No compiler for i386, or the build fails; the compiler's messages are on standard error.
pub fn build(workspace: &Workspace, folder: &Path) -> Result<PathBuf> {
    let toolchain = Toolchain::find(workspace, Arch::I386)?;
    let mut cargo = toolchain.cargo();
    cargo.args(["build", "--quiet", "--profile=guest", "--package", PACKAGE]);
    guests::configure(&mut cargo, workspace, &toolchain, Arch::I386);
    let status = cargo
        .stdin(Stdio::null())
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("{PACKAGE} does not build for {}", Arch::I386.target());
    }
    let built = workspace
        .guests_build(Arch::I386)
        .join(Arch::I386.target())
        .join("guest")
        .join(FILE);
    let finished = folder.join(FILE);
    copy_if_changed(&built, &finished)?;
    Ok(finished)
}

/// A file that did not change keeps its time, so that nothing is built again because of it.
fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    let content = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    super::write_if_changed(to, &content)?;
    Ok(())
}
