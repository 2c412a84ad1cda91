// SPDX-License-Identifier: MIT OR Apache-2.0
//! Building guests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::arch::Arch;
use crate::command;
use crate::packages::Package;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

/// Builds for all of a guest's code, dependencies included: linked at a fixed address, so no relocations are left.
const CODE_FLAGS: [&str; 1] = ["-Crelocation-model=static"];

/// A guest to build.
#[derive(Debug)]
pub struct Guest<'a> {
    /// The package.
    pub package: &'a Package,
    /// Its binary; also the name of the finished ELF.
    pub name: String,
}

/// The guests of `packages` for `arch`; with `names`, only those with such a name or in a package with such a name.
pub fn select<'a>(packages: &'a [Package], arch: Arch, names: &[String]) -> Vec<Guest<'a>> {
    let mut guests = Vec::new();
    for package in packages {
        if !package.metadata.guest || !package.metadata.arch.contains(&arch) {
            continue;
        }
        for name in &package.binaries {
            if names.is_empty() || names.contains(name) || names.contains(&package.name) {
                guests.push(Guest {
                    package,
                    name: name.clone(),
                });
            }
        }
    }
    guests
}

/// The guest of that name.
///
/// # Errors
/// There is none.
pub fn named<'a>(packages: &'a [Package], arch: Arch, name: &str) -> Result<Guest<'a>> {
    select(packages, arch, &[name.to_owned()])
        .into_iter()
        .find(|guest| guest.name == name)
        .with_context(|| format!("there is no guest {name}"))
}

/// Where the finished ELF of a guest is.
pub fn path(workspace: &Workspace, arch: Arch, name: &str) -> PathBuf {
    workspace.guests().join(arch.name()).join(name)
}

/// What a guest is built and linked with and where the finished ELF goes.
#[derive(Debug)]
pub struct Link<'a> {
    /// Cargo features, beside those that the guest's manifest names.
    pub features: &'a [&'a str],
    /// The linker script, a file in our folder of them, if not the one that guests name themselves.
    pub script: Option<&'a str>,
    /// Further object files.
    pub objects: &'a [PathBuf],
    /// The finished ELF.
    pub finished: PathBuf,
}

/// Builds `guest` and leaves the finished ELF at [`path`].
///
/// # Errors
/// The build fails; the compiler's messages are on standard error.
pub fn build(workspace: &Workspace, toolchain: &Toolchain, arch: Arch, guest: &Guest<'_>) -> Result<PathBuf> {
    let link = Link {
        features: &[],
        script: None,
        objects: &[],
        finished: path(workspace, arch, &guest.name),
    };
    build_linked(workspace, toolchain, arch, guest, &link)
}

/// Builds `guest` and links it as `link` says.
///
/// # Errors
/// As [`build`].
pub fn build_linked(
    workspace: &Workspace,
    toolchain: &Toolchain,
    arch: Arch,
    guest: &Guest<'_>,
    link: &Link<'_>,
) -> Result<PathBuf> {
    let mut cargo = toolchain.cargo();
    // `cargo rustc`, because its extra arguments reach the guest alone and not the packages it depends on.
    cargo
        .args(["rustc", "--quiet", "--profile=guest"])
        .args(["--package", &guest.package.name, "--bin", &guest.name])
        .arg("--message-format=json-render-diagnostics");
    for feature in link.features {
        cargo.args(["--features", feature]);
    }
    configure(&mut cargo, workspace, toolchain, arch);
    if let Some(script) = link.script {
        cargo.env("PARAVIRT_LINKCMDS", script);
    }
    cargo.arg("--");
    for object in link.objects {
        cargo.arg(format!("-Clink-arg={}", object.display()));
    }
    let what = format!("the guest {} for {arch}", guest.name);
    let built = command::build_program(&mut cargo, &what)?;
    install(&built, &link.finished)?;
    Ok(link.finished.clone())
}

/// Sets target, flags and folders, the same for building and for linting.
pub fn configure(cargo: &mut Command, workspace: &Workspace, toolchain: &Toolchain, arch: Arch) {
    let mut flags: Vec<String> = CODE_FLAGS.map(str::to_owned).to_vec();
    flags.extend(toolchain.flags());
    cargo
        .current_dir(workspace.root())
        .args(["--target", toolchain.target()])
        // Separated by 0x1f, cargo's way to allow spaces in paths.
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("CARGO_TARGET_DIR", workspace.guests_build(arch));
}

/// Copies `built` to `finished` in one step, so that a test at the same time sees the old file or the new one, whole.
fn install(built: &Path, finished: &Path) -> Result<()> {
    let folder = finished.parent().context("a guest has a folder")?;
    fs::create_dir_all(folder)?;
    let content = fs::read(built)?;
    if fs::read(finished).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let partial = finished.with_extension(format!("partial-{}", std::process::id()));
    fs::copy(built, &partial)?;
    fs::rename(&partial, finished)?;
    Ok(())
}
