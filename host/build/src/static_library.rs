// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Rust part of C programs, as static libraries: for RTEMS' linker, for guests and for hosts in C.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::arch::Arch;
use crate::command;
use crate::files::write_if_changed;
use crate::guests;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

/// A static library.
#[derive(Clone, Copy, Debug)]
pub struct Library {
    /// The package that builds it.
    pub package: &'static str,
    /// What cargo calls it.
    pub built: &'static str,
    /// What those call it who link it.
    pub file: &'static str,
    /// Whether it keeps Rust's copy of the compiler's run-time functions, because nobody else brings them.
    pub has_intrinsics: bool,
}

/// The Rust part of RTEMS' BSP.
pub const RTEMS: Library = Library {
    package: "rtems-paravirt",
    built: "librtemsparavirt.a",
    file: "librtemsparavirt.a",
    has_intrinsics: false,
};

/// What guests in C and C++ are linked with.
pub const GUEST: Library = Library {
    package: "paravirt-guest",
    built: "libparavirt_guest.a",
    file: "libparavirt_guest.a",
    has_intrinsics: true,
};

/// What hosts in C stand on.
pub const HOST: Library = Library {
    package: "paravirt-host",
    built: "libparavirt_host.a",
    file: "libparavirt_host.a",
    has_intrinsics: false,
};

/// Builds a library for `arch` and copies it into `folder` unless the same is there. Returns its path.
///
/// # Errors
/// No compiler for that architecture, or the build fails; the compiler's messages are on standard error.
pub fn build(workspace: &Workspace, arch: Arch, library: Library, folder: &Path) -> Result<PathBuf> {
    let toolchain = Toolchain::find(workspace, arch)?;
    let mut cargo = toolchain.cargo();
    cargo.args(["rustc", "--quiet", "--profile=guest", "--lib"]).args([
        "--package",
        library.package,
        "--crate-type=staticlib",
    ]);
    guests::configure(&mut cargo, workspace, &toolchain, arch);
    command::run(&mut cargo)?;
    let built = workspace
        .guests_build(arch)
        .join(toolchain.target())
        .join("guest")
        .join(library.built);
    let stripped = built.with_extension("stripped");
    fs::copy(&built, &stripped).with_context(|| format!("cannot copy {}", built.display()))?;
    if !library.has_intrinsics {
        remove_intrinsics(&stripped)?;
    }
    let finished = folder.join(library.file);
    // A file that did not change keeps its time, so that nothing is built again because of it.
    write_if_changed(&finished, &fs::read(&stripped)?)?;
    Ok(finished)
}

/// Takes Rust's own copy of the compiler's run-time functions out of a library: the C compiler's libgcc has them, and C
/// code must not find Rust's `sqrt` in place of its C library's.
fn remove_intrinsics(library: &Path) -> Result<()> {
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
