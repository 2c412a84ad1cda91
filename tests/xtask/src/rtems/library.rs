// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Rust part of the BSP, as the static library that RTEMS' linker takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::arch::Arch;
use crate::command;
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
    build_package(workspace, PACKAGE, FILE, folder)
}

/// As [`build`], but of a package that contains the BSP's Rust part and builds the library `file`. It gets the name [`FILE`] in
/// `folder`, because linkcmds ask for that.
///
/// # Errors
/// As [`build`].
pub fn build_package(
    workspace: &Workspace,
    package: &str,
    file: &str,
    folder: &Path,
) -> Result<PathBuf> {
    let toolchain = Toolchain::find(workspace, Arch::I386)?;
    let mut cargo = toolchain.cargo();
    cargo
        .args(["rustc", "--quiet", "--profile=guest", "--lib"])
        .args(["--package", package, "--crate-type=staticlib"]);
    guests::configure(&mut cargo, workspace, &toolchain, Arch::I386);
    let status = cargo
        .stdin(Stdio::null())
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("{package} does not build for {}", toolchain.target());
    }
    let built = workspace
        .guests_build(Arch::I386)
        .join(toolchain.target())
        .join("guest")
        .join(file);
    let stripped = built.with_extension("stripped");
    fs::copy(&built, &stripped).with_context(|| format!("cannot copy {}", built.display()))?;
    remove_intrinsics(&stripped)?;
    let finished = folder.join(FILE);
    // A file that did not change keeps its time, so that nothing is built again because of it.
    crate::files::write_if_changed(&finished, &fs::read(&stripped)?)?;
    Ok(finished)
}

/// Takes Rust's own copy of the compiler's run-time functions out of a library: the C compiler's libgcc has them, and C code
/// must not find Rust's `sqrt` in place of its C library's.
///
/// # Errors
/// The file is no library.
pub fn remove_intrinsics(library: &Path) -> Result<()> {
    let members = command::output(Command::new("ar").arg("t").arg(library))?;
    let intrinsics: Vec<&str> = members
        .lines()
        .filter(|member| member.starts_with("compiler_builtins-"))
        .collect();
    if intrinsics.is_empty() {
        return Ok(());
    }
    command::run(Command::new("ar").arg("dD").arg(library).args(intrinsics))
}
