// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which compiler builds guests of an architecture.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::arch::Arch;
use crate::command;
use crate::debian;
use crate::sysroot;
use crate::workspace::Workspace;

/// A cargo with a compiler and a library for one architecture.
#[derive(Debug)]
pub enum Toolchain {
    /// The one that runs this program has a library for the target.
    Active,
    /// Debian's, with a sysroot built here.
    Debian {
        /// The sysroot.
        sysroot: PathBuf,
    },
}

impl Toolchain {
    /// Finds the toolchain for `arch`, in this order: the active one; Debian's, whose sysroot is built if need be.
    ///
    /// # Errors
    /// There is none; the message says what to install.
    pub fn find(workspace: &Workspace, arch: Arch) -> Result<Self> {
        let target = arch.target();
        if active_has(target)? {
            return Ok(Self::Active);
        }
        if sysroot::can_build() {
            sysroot::ensure(workspace, &[target])?;
            return Ok(Self::Debian {
                sysroot: sysroot::path(workspace, target),
            });
        }
        if debian::has_apt() {
            bail!(
                "no Rust library for {target} ({} guests): run `cargo xtask setup` to install it",
                arch.name()
            );
        }
        bail!(
            "no Rust library for {target} ({} guests): run `rustup target add {target}`",
            arch.name()
        );
    }

    /// Its cargo.
    pub fn cargo(&self) -> Command {
        match self {
            Self::Active => command::cargo(),
            Self::Debian { .. } => debian_command(debian::CARGO),
        }
    }

    /// Its `cargo clippy`. Debian's is started by path: cargo would find the one of another toolchain first.
    pub fn cargo_clippy(&self) -> Command {
        let mut command = match self {
            Self::Active => command::cargo(),
            Self::Debian { .. } => debian_command(debian::CARGO_CLIPPY),
        };
        command.arg("clippy");
        command
    }

    /// The compiler's arguments that choose its library.
    pub fn flags(&self) -> Vec<String> {
        match self {
            Self::Active => Vec::new(),
            Self::Debian { sysroot } => vec![format!("--sysroot={}", sysroot.display())],
        }
    }
}

fn debian_command(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env("RUSTC", debian::RUSTC)
        .env("CARGO", debian::CARGO);
    command
}

/// Whether the active toolchain has a library for `target`.
pub fn active_has(target: &str) -> Result<bool> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let libraries =
        command::output(Command::new(rustc).args(["--print", "target-libdir", "--target", target]))
            .context("cannot ask the Rust compiler for its libraries")?;
    Ok(sysroot::find(Path::new(libraries.trim()), "libcore-").is_some())
}
