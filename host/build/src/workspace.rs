// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where things are.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::arch::Arch;

/// The checkout that this program was built in.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The checkout that this was built in.
    ///
    /// # Errors
    /// It is gone.
    pub fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .filter(|root| root.join("Cargo.toml").is_file())
            .with_context(|| format!("no checkout around {}", env!("CARGO_MANIFEST_DIR")))?;
        Ok(Self { root: root.to_owned() })
    }

    /// The folder with the workspace's `Cargo.toml`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `path` as people write it who are in the checkout.
    pub fn shorten<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    /// A command line as people type it who are in the checkout.
    pub fn command_line(&self, command: &Command) -> String {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words = words.map(|word| self.shorten(Path::new(word)).display().to_string());
        words.collect::<Vec<_>>().join(" ")
    }

    /// The folder of the complete linker scripts and the fragment that they include.
    pub fn linkcmds(&self) -> PathBuf {
        self.root.join("linkcmds")
    }

    /// Finished guests, a folder for each architecture. Always here, whatever `CARGO_TARGET_DIR` says, unless
    /// `PARAVIRT_GUESTS` names another folder: tests look here.
    pub fn guests(&self) -> PathBuf {
        std::env::var_os("PARAVIRT_GUESTS")
            .filter(|folder| !folder.is_empty())
            .map_or_else(|| self.root.join("target/guests"), PathBuf::from)
    }

    /// Cargo's working files for guests of `arch`. Each architecture has its own, because two compilers may be at work.
    pub fn guests_build(&self, arch: Arch) -> PathBuf {
        self.root.join("target/guests-build").join(arch.name())
    }

    /// Hosts in C and the library that they stand on, a folder for each architecture.
    pub fn hosts(&self) -> PathBuf {
        self.root.join("target/hosts")
    }

    /// Xen, as it was unpacked from a package.
    pub fn xen(&self) -> PathBuf {
        self.root.join("target/xen")
    }

    /// Xen for AArch64, likewise.
    pub fn xen_arm(&self) -> PathBuf {
        self.root.join("target/xen-arm64")
    }

    /// Rust's library for AArch64 Linux, as it was unpacked from a package.
    pub fn aarch64_library(&self) -> PathBuf {
        self.root.join("target/aarch64/library")
    }

    /// A Linux kernel for AArch64, as it was unpacked from a package.
    pub fn aarch64_kernel(&self) -> PathBuf {
        self.root.join("target/aarch64/kernel")
    }

    /// What apt knows of packages for AArch64.
    pub fn aarch64_lists(&self) -> PathBuf {
        self.root.join("target/aarch64/apt")
    }

    /// Cargo's working files for programs for AArch64 Linux.
    pub fn aarch64_build(&self) -> PathBuf {
        self.root.join("target/aarch64/build")
    }

    /// QEMU, where its package cannot be installed and was unpacked.
    pub fn qemu(&self) -> PathBuf {
        self.root.join("target/qemu")
    }

    /// The package of clang-format, unpacked.
    pub fn clang_format(&self) -> PathBuf {
        self.root.join("target/clang-format")
    }

    /// What is built for RTEMS, and the BSP.
    pub fn rtems(&self) -> PathBuf {
        self.root.join("target/rtems")
    }

    /// Holds the Rust part of RTEMS' BSP for `arch`.
    pub fn rtems_library(&self, arch: Arch) -> PathBuf {
        self.rtems().join("library").join(arch.name())
    }

    /// Sysroots built here, a folder for each target.
    pub fn sysroots(&self) -> PathBuf {
        self.root.join("target/sysroots")
    }
}
