// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs for AArch64 Linux, on a machine with another processor: the library that they are built with, and a kernel
//! that runs them in QEMU.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::apt::{self, Lists};
use crate::command;
use crate::hosts::STATIC;
use crate::sysroot;
use crate::toolchain;
use crate::workspace::Workspace;

pub mod linux;

/// The target of these programs.
const TARGET: &str = "aarch64-unknown-linux-gnu";
/// Debian's name of the architecture.
const ARCHITECTURE: &str = "arm64";
/// Debian's compiler, its package with the library, and the cargo that goes with it.
const RUSTC: &str = "/usr/bin/rustc";
const CARGO: &str = "/usr/bin/cargo";
const LIBRARY: &str = "libstd-rust-web-dev";
/// Debian's kernel without drivers that only real machines need: the package that depends on the newest.
const KERNEL: &str = "linux-image-cloud-arm64";
/// Where both are unpacked.
const UNPACKED_LIBRARY: &str = "aarch64/library";
const UNPACKED_KERNEL: &str = "aarch64/kernel";
/// The linker's argument by which a program lies above its guests: Rust links none statically there that could lie
/// anywhere.
const ABOVE_GUESTS: &str = "-Clink-arg=-Wl,-Ttext-segment=0x100000000";
/// The file in a folder with Debian's library that says which compiler it is for.
const STAMP: &str = "rustc";

/// A compiler for such programs.
struct Compiler {
    cargo: Command,
    flags: Vec<OsString>,
}

/// The compiler: the active one if it has a library for that target (`rustup target add`), else Debian's.
fn compiler(workspace: &Workspace) -> Result<Compiler> {
    if toolchain::active_has(TARGET)? {
        return Ok(Compiler {
            cargo: command::cargo(),
            flags: Vec::new(),
        });
    }
    let sysroot = workspace.target(UNPACKED_LIBRARY);
    let version = debian_version()?;
    let stamp = fs::read_to_string(sysroot.join(STAMP)).unwrap_or_default();
    ensure!(
        stamp == version,
        "no Rust library for {TARGET}: neither the active toolchain nor {} has one for its compiler",
        sysroot.display()
    );
    let mut cargo = Command::new(CARGO);
    cargo.env("RUSTC", RUSTC).env("CARGO", CARGO);
    let mut flag = OsString::from("--sysroot=");
    flag.push(sysroot.join("usr"));
    Ok(Compiler {
        cargo,
        flags: vec![flag],
    })
}

/// What Debian's compiler says of its version.
fn debian_version() -> Result<String> {
    command::output(Command::new(RUSTC).args(["--version", "--verbose"])).context("Debian's Rust compiler")
}

/// Sees whether there is a library.
pub(crate) fn library_works(workspace: &Workspace) -> Result<()> {
    compiler(workspace).map(drop)
}

/// Unpacks Debian's library below `target`, in the version of Debian's compiler.
pub(crate) fn unpack_library(workspace: &Workspace) -> Result<()> {
    let (stamp, version) = (debian_version()?, apt::version(LIBRARY)?);
    let folder = workspace.target(UNPACKED_LIBRARY);
    let package = format!("{LIBRARY}={version}");
    apt::unpack(&lists(workspace)?, &[&package], false, &folder)?;
    let libraries = folder.join("usr/lib/rustlib").join(TARGET).join("lib");
    ensure!(
        sysroot::find(&libraries, "libstd-").is_some(),
        "the package {LIBRARY} has no libstd in {}",
        libraries.display()
    );
    Ok(fs::write(folder.join(STAMP), stamp)?)
}

/// The kernel that was unpacked here.
///
/// # Errors
/// There is none.
pub fn kernel(workspace: &Workspace) -> Result<PathBuf> {
    let boot = workspace.target(UNPACKED_KERNEL).join("boot");
    let files = fs::read_dir(&boot).with_context(|| format!("no kernel in {}", boot.display()))?;
    let mut files = files.flatten().map(|entry| entry.path());
    let is_kernel = |path: &Path| {
        path.file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"vmlinuz-"))
    };
    files
        .find(|path| is_kernel(path))
        .with_context(|| format!("no kernel in {}", boot.display()))
}

/// Unpacks Debian's kernel below `target`.
pub(crate) fn unpack_kernel(workspace: &Workspace) -> Result<()> {
    let lists = lists(workspace)?;
    let mut depended = lists.dependencies(KERNEL)?.into_iter();
    let kernel = depended.find(|package| package.starts_with("linux-image-"));
    let kernel = kernel.with_context(|| format!("the package {KERNEL} names no kernel"))?;
    apt::unpack(&lists, &[&kernel], false, &workspace.target(UNPACKED_KERNEL))
}

/// Unpacks Debian's `packages` for AArch64 to `folder`, unless that is there.
///
/// # Errors
/// They cannot be had.
pub fn unpack_packages(workspace: &Workspace, packages: &[&str], folder: &Path) -> Result<()> {
    if folder.exists() {
        return Ok(());
    }
    apt::unpack(&lists(workspace)?, packages, false, folder)
}

/// The lists of packages for AArch64.
///
/// # Errors
/// They cannot be fetched.
pub(crate) fn lists(workspace: &Workspace) -> Result<Lists> {
    Lists::of(ARCHITECTURE, &workspace.target("aarch64/apt"))
}

/// Builds the program of `package`, which has the package's name, for tests: statically linked, since it finds no
/// library where it runs.
///
/// # Errors
/// There is no compiler, or the build fails; the compiler's messages are on standard error.
pub fn build(workspace: &Workspace, package: &str) -> Result<PathBuf> {
    build_as(workspace, package, "--profile=dev")
}

/// The same, optimized, for measurements.
///
/// # Errors
/// As [`build`].
pub fn build_optimized(workspace: &Workspace, package: &str) -> Result<PathBuf> {
    build_as(workspace, package, "--release")
}

fn build_as(workspace: &Workspace, package: &str, profile: &str) -> Result<PathBuf> {
    let Compiler { mut cargo, flags } = compiler(workspace)?;
    let mut all = OsString::from(STATIC);
    for flag in flags {
        all.push("\u{1f}");
        all.push(flag);
    }
    cargo
        .current_dir(workspace.root())
        .args(["rustc", "--quiet", profile, "--target", TARGET])
        .args(["--package", package, "--bin", package])
        .arg("--message-format=json-render-diagnostics")
        // Another compiler may be at work in the folder that is usual.
        .arg("--target-dir")
        .arg(workspace.target("aarch64/build"))
        // With a target, these do not reach procedural macros.
        .env("CARGO_ENCODED_RUSTFLAGS", all)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc")
        // With debug information they do not fit into the machine on which they are tested, which has them twice in its
        // memory, packed and unpacked.
        .args(["--", ABOVE_GUESTS, "-Cstrip=debuginfo"]);
    command::build_program(&mut cargo, package)
}
