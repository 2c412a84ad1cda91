// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask setup`: what the tests need beyond stable Rust and a C compiler.

use anyhow::{Result, bail};

use crate::arch::{Arch, INSPECTED_TARGETS};
use crate::debian;
use crate::emulators;
use crate::sysroot;
use crate::toolchain;
use crate::workspace::Workspace;

/// Installs packages and builds sysroots.
///
/// # Errors
/// Everything that could not be had, after the rest has been.
pub fn run(workspace: &Workspace) -> Result<()> {
    let mut problems = packages(workspace);
    if let Err(error) = sysroots(workspace) {
        problems.push(format!("{error:#}"));
    }
    if !problems.is_empty() {
        bail!("{}", problems.join("\n"));
    }
    println!("everything that the tests need is here");
    Ok(())
}

/// Installs Debian's packages. What could not be installed comes back as messages: the tests that need it skip themselves.
pub fn packages(workspace: &Workspace) -> Vec<String> {
    let rust = if toolchain::active_has(Arch::I386.target()).unwrap_or(false) && !debian::has_apt()
    {
        Ok(())
    } else {
        debian::install(&debian::RUST)
    };
    [
        rust,
        debian::install(&debian::C_COMPILERS),
        debian::install(&debian::TOOLS),
        emulators::install_qemu(),
        emulators::unpack_xen(workspace),
    ]
    .into_iter()
    .filter_map(|result| result.err().map(|error| format!("{error:#}")))
    .collect()
}

/// Builds a sysroot for each target that the tests use and the active toolchain has no library for.
///
/// # Errors
/// As for [`sysroot::ensure`].
pub fn sysroots(workspace: &Workspace) -> Result<()> {
    let mut targets = INSPECTED_TARGETS.to_vec();
    for arch in Arch::ALL {
        if !toolchain::active_has(arch.target())? {
            targets.push(arch.target());
        }
    }
    sysroot::ensure(workspace, &targets)
}
