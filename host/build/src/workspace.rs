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

    /// What is built or unpacked here under that name. Always here, whatever `CARGO_TARGET_DIR` says.
    pub fn target(&self, name: &str) -> PathBuf {
        self.root.join("target").join(name)
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
            .map_or_else(|| self.target("guests"), PathBuf::from)
    }

    /// Cargo's working files for guests of `arch`. Each architecture has its own, because two compilers may be at work.
    pub fn guests_build(&self, arch: Arch) -> PathBuf {
        self.target("guests-build").join(arch.name())
    }

    /// Hosts in C and the library that they stand on, a folder for each architecture.
    pub fn hosts(&self) -> PathBuf {
        self.target("hosts")
    }

    /// The package of clang-format, unpacked.
    pub fn clang_format(&self) -> PathBuf {
        self.root.join("target/clang-format")
    }

    /// What is built for RTEMS, and the BSP.
    pub fn rtems(&self) -> PathBuf {
        self.target("rtems")
    }

    /// Holds the Rust part of RTEMS' BSP for `arch`.
    pub fn rtems_library(&self, arch: Arch) -> PathBuf {
        self.rtems().join("library").join(arch.name())
    }

    /// Sysroots built here, a folder for each target.
    pub fn sysroots(&self) -> PathBuf {
        self.target("sysroots")
    }
}
