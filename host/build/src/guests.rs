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

/// The linker's part of a guest: our script and nothing of the C library's start-up.
const LINK_ARGUMENTS: [&str; 5] = [
    "-nostartfiles",
    "-static",
    "-no-pie",
    "-Wl,--gc-sections",
    "-Wl,--build-id=none",
];

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
    /// The linker script, a file in our folder of them.
    pub script: &'a str,
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
        script: &format!("{}.ld", arch.name()),
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
    // `cargo rustc`, because its extra arguments reach the guest alone and not the packages it depends on: a changed
    // linker script relinks the guest and compiles nothing else.
    cargo
        .args(["rustc", "--quiet", "--profile=guest"])
        .args(["--package", &guest.package.name, "--bin", &guest.name])
        .arg("--message-format=json-render-diagnostics");
    for feature in link.features {
        cargo.args(["--features", feature]);
    }
    configure(&mut cargo, workspace, toolchain, arch);
    cargo.arg("--").args(link_arguments(workspace, link)?);
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

/// The arguments for the compiler at the last step. They end with a word that changes with the linker scripts, whose
/// changes cargo would not notice.
fn link_arguments(workspace: &Workspace, link: &Link<'_>) -> Result<Vec<String>> {
    let folder = workspace.linkcmds();
    let script = folder.join(link.script);
    let mut arguments: Vec<String> = LINK_ARGUMENTS.map(str::to_owned).to_vec();
    arguments.push(format!("-L{}", folder.display()));
    arguments.push(format!("-Wl,-T,{}", script.display()));
    arguments.extend(link.objects.iter().map(|object| object.display().to_string()));
    let mut arguments: Vec<String> = arguments
        .into_iter()
        .map(|argument| format!("-Clink-arg={argument}"))
        .collect();
    arguments.push(format!("-Cmetadata={:016x}", fingerprint(&folder)?));
    Ok(arguments)
}

/// A hash of all files in `folder`.
fn fingerprint(folder: &Path) -> Result<u64> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .with_context(|| format!("cannot list {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files.iter().filter(|file| file.is_file()) {
        file.hash(&mut hasher);
        fs::read(file)?.hash(&mut hasher);
    }
    Ok(hasher.finish())
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
