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
    /// The one that runs this program, which has a library for the target.
    Active {
        /// The architecture's stock target, unless it has the other.
        target: &'static str,
    },
    /// Debian's, with a sysroot built here.
    Debian {
        /// The architecture.
        arch: Arch,
        /// The sysroot.
        sysroot: PathBuf,
        /// See [`sysroot::fingerprint`].
        fingerprint: String,
    },
}

impl Toolchain {
    /// Finds the toolchain for `arch`, in this order: the active one; Debian's, whose sysroot is built if need be; the active one
    /// with the stock target.
    ///
    /// # Errors
    /// There is none; the message says what to install.
    pub fn find(workspace: &Workspace, arch: Arch) -> Result<Self> {
        let target = arch.target();
        if active_has(target)? {
            return Ok(Self::Active { target });
        }
        if sysroot::can_build() {
            sysroot::ensure(workspace, &[target])?;
            return Ok(Self::Debian {
                arch,
                sysroot: sysroot::path(workspace, target),
                fingerprint: sysroot::fingerprint(workspace, target)?,
            });
        }
        let stock = arch.stock_target();
        if active_has(stock)? {
            return Ok(Self::Active { target: stock });
        }
        if debian::has_apt() {
            bail!(
                "no Rust library for {target} ({} guests): run `cargo xtask setup` to install it",
                arch.name()
            );
        }
        bail!(
            "no Rust library for {target} ({} guests): run `rustup target add {stock}`",
            arch.name()
        );
    }

    /// Its cargo.
    pub fn cargo(&self) -> Command {
        match self {
            Self::Active { .. } => command::cargo(),
            Self::Debian { .. } => debian_command(debian::CARGO),
        }
    }

    /// The target that it builds for.
    pub fn target(&self) -> &'static str {
        match self {
            Self::Active { target } => target,
            Self::Debian { arch, .. } => arch.target(),
        }
    }

    /// Its `cargo clippy`. Debian's is started by path: cargo would find the one of another toolchain first.
    pub fn cargo_clippy(&self) -> Command {
        let mut command = match self {
            Self::Active { .. } => command::cargo(),
            Self::Debian { .. } => debian_command(debian::CARGO_CLIPPY),
        };
        command.arg("clippy");
        command
    }

    /// The compiler's arguments that choose its library, and those that go with it.
    pub fn flags(&self) -> Vec<String> {
        match self {
            Self::Active { .. } => Vec::new(),
            Self::Debian {
                arch,
                sysroot,
                fingerprint,
            } => {
                let mut flags = vec![format!("--sysroot={}", sysroot.display())];
                flags.push(fingerprint.clone());
                flags.extend(arch.target_flags().iter().map(ToString::to_string));
                flags
            }
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
