// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU, and Xen in it: the machines of `pvhost run --host qemu|xen-pv|xen-pvh`.
//!
//! QEMU is installed as a package. Xen's package is only unpacked, below `target`: installed, it would become an entry of the boot
//! loader of the machine that runs the tests.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::arch::Arch;
use crate::command;
use crate::debian;
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

/// The hosts, as `pvhost run --host` calls them.
pub const HOSTS: [&str; 3] = ["qemu", "xen-pv", "xen-pvh"];

/// Debian's package of QEMU for PCs. What it recommends, qemu-utils, may come from another release and not fit.
const QEMU_PACKAGES: [&str; 1] = ["qemu-system-x86"];
/// QEMU's program.
const QEMU: &str = "qemu-system-x86_64";
/// Debian's package of Xen.
const XEN_PACKAGE: &str = "xen-hypervisor-4.17-amd64";
/// The file in it.
const XEN_FILE: &str = "boot/xen-4.17-amd64.gz";
/// Environment variable by which pvhost and the tests find Xen.
pub const XEN_VARIABLE: &str = "PVHOST_XEN";

/// Installs QEMU.
///
/// # Errors
/// As for [`debian::install`].
pub fn install_qemu() -> Result<()> {
    if in_path(QEMU) {
        return Ok(());
    }
    debian::install(&QEMU_PACKAGES)
}

/// Unpacks Xen's package below `target`, unless there is a Xen already.
///
/// # Errors
/// Not a Debian system, or the package cannot be had.
pub fn unpack_xen(workspace: &Workspace) -> Result<()> {
    if xen(workspace).is_some() {
        return Ok(());
    }
    if !debian::has_apt() {
        bail!(
            "Xen is missing: unpack Debian's package {XEN_PACKAGE} and name its {XEN_FILE} in {XEN_VARIABLE}"
        );
    }
    println!("unpacking the Debian package {XEN_PACKAGE}");
    let folder = workspace.xen();
    let partial = folder.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial)?;
    debian::download(XEN_PACKAGE, &partial)?;
    let package = fs::read_dir(&partial)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension() == Some(OsStr::new("deb")))
        .with_context(|| format!("apt-get has left no package {XEN_PACKAGE}"))?;
    let mut dpkg = Command::new("dpkg-deb");
    command::output(dpkg.arg("--extract").arg(package).arg(&partial))?;
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::rename(&partial, &folder)?;
    Ok(())
}

/// The file with Xen: the one that the environment names, or the one unpacked here.
pub fn xen(workspace: &Workspace) -> Option<PathBuf> {
    let named = std::env::var_os(XEN_VARIABLE).map(PathBuf::from);
    named.or_else(|| Some(workspace.xen().join(XEN_FILE)).filter(|file| file.is_file()))
}

/// Why guests for `arch` cannot run on that host on this machine; `None`: they can, or the host is none of [`HOSTS`].
pub fn missing(workspace: &Workspace, host: &str, arch: Arch) -> Option<String> {
    if !HOSTS.contains(&host) {
        return None;
    }
    if !in_path(QEMU) {
        return Some(format!("there is no {QEMU}: run `cargo xtask setup`"));
    }
    if host != "qemu" && xen(workspace).is_none() {
        return Some("Xen is missing: run `cargo xtask setup`".to_owned());
    }
    match Toolchain::find(workspace, arch) {
        Ok(toolchain) if toolchain.target() != arch.target() => Some(format!(
            "guests built for {} have a red zone: run `cargo xtask setup`",
            toolchain.target()
        )),
        _ => None,
    }
}

fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder: PathBuf| Path::is_file(&folder.join(program)))
}
