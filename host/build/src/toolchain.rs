// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which compiler builds guests of an architecture. The order in which they are taken stands here, in
//! [`Toolchain::find`], and for the second and the third in [`sysroot::source`].

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, anyhow};

use crate::arch::Arch;
use crate::command;
use crate::sysroot::{self, Source};
use crate::workspace::Workspace;

/// A cargo with a compiler and a library for one architecture.
#[derive(Clone, Debug)]
pub struct Toolchain {
    arch: Arch,
    target: &'static str,
    /// `None`: the active toolchain has a library for the target.
    own: Option<Own>,
}

/// A compiler with a sysroot that was built here.
#[derive(Clone, Debug)]
struct Own {
    source: Source,
    sysroot: PathBuf,
    /// See [`sysroot::fingerprint`].
    fingerprint: String,
}

impl Toolchain {
    /// Finds the toolchain for `arch`, in this order:
    ///
    /// 1. the active one, if it has a library for the architecture's own target;
    /// 2. the active one with its sources (rustup's component `rust-src`), from which a sysroot is built;
    /// 3. Debian's compiler with its sources, in the same way;
    /// 4. the active one with its library for the stock target.
    ///
    /// One that does not work is passed over, and said so. The answer is the same as long as this program runs.
    ///
    /// # Errors
    /// There is none; the message says why, and what to install.
    pub fn find(workspace: &Workspace, arch: Arch) -> Result<Self> {
        static FOUND: Mutex<Option<HashMap<Arch, Result<Toolchain, String>>>> = Mutex::new(None);
        let mut found = FOUND.lock().map_err(|_| anyhow!("a search ended in a panic"))?;
        found
            .get_or_insert_default()
            .entry(arch)
            .or_insert_with(|| Self::search(workspace, arch).map_err(|error| format!("{error:#}")))
            .clone()
            .map_err(|error| anyhow!(error))
    }

    fn search(workspace: &Workspace, arch: Arch) -> Result<Self> {
        let active = |target| Self {
            arch,
            target,
            own: None,
        };
        let target = arch.target();
        if active_has(target)? {
            return Ok(active(target));
        }
        let problem = match Self::with_sysroot(workspace, arch) {
            Ok(toolchain) => return Ok(toolchain),
            Err(problem) => problem,
        };
        let stock = arch.stock_target();
        if active_has(stock)? {
            return Ok(active(stock));
        }
        Err(problem.context(format!(
            "no Rust library for {target} ({arch} guests): run `cargo xtask setup`, or `rustup target add {stock}`"
        )))
    }

    fn with_sysroot(workspace: &Workspace, arch: Arch) -> Result<Self> {
        let target = arch.target();
        let source = sysroot::ensure(workspace, &[target])?;
        Ok(Self {
            arch,
            target,
            own: Some(Own {
                source,
                sysroot: sysroot::path(workspace, target),
                fingerprint: sysroot::fingerprint(workspace, target)?,
            }),
        })
    }

    /// Its cargo.
    pub fn cargo(&self) -> Command {
        match &self.own {
            None => command::cargo(),
            Some(own) => own.command(Path::new(&own.source.cargo)),
        }
    }

    /// The target that it builds for.
    pub const fn target(&self) -> &'static str {
        self.target
    }

    /// Returns whether its `cargo clippy` is another than that of the active toolchain.
    pub fn has_own_clippy(&self) -> bool {
        let own = self.own.as_ref();
        own.is_some_and(|own| own.source.clippy.is_some())
    }

    /// Its `cargo clippy`.
    pub fn cargo_clippy(&self) -> Command {
        let own = self.own.as_ref();
        let clippy = own.and_then(|own| Some(own.command(own.source.clippy.as_ref()?)));
        let mut command = clippy.unwrap_or_else(|| self.cargo());
        command.arg("clippy");
        command
    }

    /// The compiler's arguments that choose its library, and those that go with it.
    pub fn flags(&self) -> Vec<String> {
        let Some(own) = &self.own else {
            return Vec::new();
        };
        let mut flags = vec![format!("--sysroot={}", own.sysroot.display()), own.fingerprint.clone()];
        flags.extend(self.arch.target_flags().iter().map(ToString::to_string));
        flags
    }
}

impl Own {
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env("RUSTC", &self.source.rustc)
            .env("CARGO", &self.source.cargo);
        command
    }
}

/// Returns whether the active toolchain has a library for `target`.
pub fn active_has(target: &str) -> Result<bool> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let libraries = command::output(Command::new(rustc).args(["--print", "target-libdir", "--target", target]))
        .context("cannot ask the Rust compiler for its libraries")?;
    Ok(sysroot::find(Path::new(libraries.trim()), "libcore-").is_some())
}
