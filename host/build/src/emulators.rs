// SPDX-License-Identifier: MIT OR Apache-2.0
//! QEMU, and Xen in it: where they are, whether they work, and how they are unpacked without being installed.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::aarch64;
use crate::apt::{self, Lists};
use crate::arch::Arch;
use crate::command;
use crate::workspace::Workspace;

/// QEMU's program for x86-64 and i386.
pub const QEMU: &str = "qemu-system-x86_64";
/// And for AArch64.
pub const QEMU_ARM: &str = "qemu-system-aarch64";
/// QEMU's program that runs programs for AArch64.
pub const QEMU_USER: &str = "qemu-aarch64";
/// Where QEMU is unpacked if its package cannot be installed.
const UNPACKED_QEMU: &str = "qemu";
/// The oldest QEMU that is known to do.
const OLDEST_QEMU: [u32; 2] = [7, 2];
/// The oldest Xen that is known to do.
const OLDEST_XEN: [u32; 2] = [4, 17];

/// A Xen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Xen {
    /// For x86-64.
    X86,
    /// For AArch64.
    Arm,
}

impl Xen {
    /// The environment variable by which pvhost and the tests find it.
    const fn variable(self) -> &'static str {
        match self {
            Self::X86 => "PVHOST_XEN",
            Self::Arm => "PVHOST_XEN_ARM64",
        }
    }

    /// Its architecture, as Debian calls it.
    const fn architecture(self) -> &'static str {
        match self {
            Self::X86 => "amd64",
            Self::Arm => "arm64",
        }
    }

    /// Where it is unpacked.
    fn folder(self, workspace: &Workspace) -> PathBuf {
        workspace.target(match self {
            Self::X86 => "xen",
            Self::Arm => "xen-arm64",
        })
    }

    /// Returns whether a file of the package is the one with it: there are others beside it.
    fn is_file(self, path: &Path) -> bool {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let has_name = match self {
            Self::X86 => name.ends_with(".gz"),
            Self::Arm => name.ends_with("-arm64") || name.ends_with("-arm64.gz"),
        };
        has_name && !path.is_symlink()
    }

    /// Returns whether the beginning of a file is its.
    fn begins(self, start: &[u8]) -> bool {
        let is_packed = start.starts_with(&[0x1f, 0x8b]);
        is_packed
            || match self {
                Self::X86 => start.starts_with(b"\x7fELF"),
                Self::Arm => start.ends_with(b"ARM\x64"),
            }
    }
}

/// The program of QEMU with that name: the first that works, in `PATH` or unpacked here. Where none works, the first;
/// its mere name if there is none.
pub fn emulator(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let unpacked = Workspace::find().map(|workspace| workspace.target(UNPACKED_QEMU).join("bin"));
    let candidates: Vec<PathBuf> = std::env::split_paths(&path)
        .chain(unpacked)
        .map(|folder| folder.join(name))
        .filter(|file| file.is_file())
        .collect();
    let works = candidates.iter().find(|file| program_works(file).is_ok());
    works
        .or(candidates.first())
        .cloned()
        .unwrap_or_else(|| PathBuf::from(name))
}

/// Returns whether programs for `arch` run in QEMU's emulation of programs on this machine.
pub fn emulates_programs(arch: Arch) -> bool {
    arch == Arch::Aarch64 && !cfg!(target_arch = "aarch64")
}

/// The command that starts a program for `arch`; its arguments are left to add.
pub fn start_program(arch: Arch, program: &Path) -> Command {
    if !emulates_programs(arch) {
        return Command::new(program);
    }
    let mut command = Command::new(QEMU_USER);
    command.arg(program);
    command
}

/// pvhost's option where it runs guests for `arch` in such an emulation, which has no seccomp.
pub fn without_sandbox(arch: Arch) -> Option<&'static str> {
    emulates_programs(arch).then_some("--no-sandbox")
}

/// Sees whether there is a program of QEMU with that name that works.
pub(crate) fn works(name: &str) -> Result<()> {
    program_works(&emulator(name))
}

/// Unpacks QEMU's `packages`, with all that they need, below `target`.
pub(crate) fn unpack_qemu(packages: &[&str], workspace: &Workspace) -> Result<()> {
    let folder = workspace.target(UNPACKED_QEMU);
    apt::unpack(&Lists::own(), packages, true, &folder)?;
    // Programs that start it with its own libraries and firmware.
    fs::create_dir_all(folder.join("bin"))?;
    for name in [QEMU, "qemu-system-i386", QEMU_ARM] {
        if !folder.join("usr/bin").join(name).exists() {
            continue;
        }
        let program = folder.join("bin").join(name);
        fs::write(&program, START_UNPACKED_QEMU)?;
        fs::set_permissions(&program, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Tells a command where QEMU and Xen are, if they were unpacked here.
pub fn environment(command: &mut Command, workspace: &Workspace) {
    let unpacked = [QEMU, QEMU_ARM].into_iter().find_map(|name| {
        let qemu = emulator(name);
        (command::in_path(name).as_ref() != Some(&qemu)).then_some(qemu)
    });
    if let Some(folder) = unpacked.as_deref().and_then(Path::parent) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = [folder.to_owned()].into_iter().chain(std::env::split_paths(&path));
        // A folder with a colon in its name cannot be in a path; QEMU is then not found, which is said.
        if let Ok(path) = std::env::join_paths(folders) {
            command.env("PATH", path);
        }
    }
    for kind in [Xen::X86, Xen::Arm] {
        if let Some(file) = xen(kind, workspace) {
            command.env(kind.variable(), file);
        }
    }
}

fn program_works(program: &Path) -> Result<()> {
    let text = command::output(Command::new(program).arg("--version"))?;
    let (_, number) = text
        .split_once("version ")
        .with_context(|| format!("no version: {text}"))?;
    let number = number.split_whitespace().next().unwrap_or_default();
    ensure!(
        version(number) >= OLDEST_QEMU.to_vec(),
        "{} is of version {number}",
        program.display()
    );
    let machines = command::output(Command::new(program).args(["-accel", "help"]))?;
    ensure!(machines.contains("tcg"), "{} emulates no processor", program.display());
    Ok(())
}

const START_UNPACKED_QEMU: &str = r#"#!/bin/sh
root=$(dirname "$(dirname "$(readlink -f "$0")")")
libraries=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu
# Some of Debian's are scripts that look for the program where it would be installed.
program=$root/usr/libexec/${0##*/}
[ -x "$program" ] || program=$root/usr/bin/${0##*/}
LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \
    exec "$program" -L "$root/usr/share/qemu" -L "$root/usr/share/seabios" "$@"
"#;

/// Unpacks that Xen's package below `target`: installed, it would become an entry of the boot loader of the machine that
/// runs the tests.
pub(crate) fn unpack_xen(kind: Xen, workspace: &Workspace) -> Result<()> {
    let architecture = kind.architecture();
    let lists = match kind {
        Xen::X86 => Lists::own(),
        Xen::Arm => aarch64::lists(workspace)?,
    };
    // There is one for each version.
    let mut packages = lists.search(&format!("^xen-hypervisor-[0-9.]+-{architecture}$"))?;
    packages.retain(|package| version(package) >= OLDEST_XEN.to_vec());
    packages.sort_by_key(|package| version(package));
    let Some(newest) = packages.pop() else {
        bail!("apt-cache knows no package xen-hypervisor-VERSION-{architecture}, 4.17 or later");
    };
    apt::unpack(&lists, &[&newest], false, &kind.folder(workspace))
}

/// The file with Xen: the one that the environment names, else the newest that was unpacked here.
pub fn xen(kind: Xen, workspace: &Workspace) -> Option<PathBuf> {
    if let Some(file) = std::env::var_os(kind.variable()) {
        return Some(file.into());
    }
    let unpacked = fs::read_dir(kind.folder(workspace).join("boot")).ok()?.flatten();
    unpacked
        .map(|entry| entry.path())
        .filter(|path| kind.is_file(path))
        .max_by_key(|path| version(&path.to_string_lossy()))
}

/// Sees whether there is a file of Xen that can be started, as far as a look at it tells.
pub(crate) fn xen_works(kind: Xen, workspace: &Workspace) -> Result<()> {
    let architecture = kind.architecture();
    let file = xen(kind, workspace).with_context(|| format!("no file of Xen for {architecture} is here"))?;
    let mut start = [0; 60];
    File::open(&file)
        .and_then(|mut file| file.read_exact(&mut start))
        .with_context(|| format!("cannot read {}", file.display()))?;
    ensure!(
        kind.begins(&start),
        "{} is not Xen for {architecture}, packed by gzip or not",
        file.display()
    );
    let version = version(&file.to_string_lossy());
    ensure!(
        version.is_empty() || version >= OLDEST_XEN.to_vec(),
        "{} is older than 4.17",
        file.display()
    );
    Ok(())
}

/// The numbers of a version in a name: of `xen-hypervisor-4.17-amd64`, 4 and 17.
fn version(name: &str) -> Vec<u32> {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.split('-')
        .find(|part| part.starts_with(|c: char| c.is_ascii_digit()))
        .into_iter()
        .flat_map(|version| version.split('.'))
        .filter_map(|number| number.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(version("xen-hypervisor-4.17-amd64") > version("xen-hypervisor-4.9-amd64"));
        assert_eq!(version("/boot/xen-4.20.1-amd64.gz"), [4, 20, 1]);
        assert!(version("10.0.2") > OLDEST_QEMU.to_vec());
    }
}
