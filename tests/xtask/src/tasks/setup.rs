// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask setup`: what the tests need beyond stable Rust and a C compiler.

use anyhow::Result;

use paravirt_build::arch::{Arch, INSPECTED_TARGETS};
use paravirt_build::sysroot;
use paravirt_build::toolchain;
use paravirt_build::tools::{self, State};
use paravirt_build::workspace::Workspace;

/// Installs packages and builds sysroots. Returns whether all is here now; it has said what is not.
pub fn run(workspace: &Workspace) -> Result<bool> {
    let states = tools::set_up(workspace, true);
    for (_, State::Missing(text) | State::Failed(text)) in &states {
        eprintln!("{text}");
    }
    let mut complete = states.is_empty();
    if let Some(advice) = tools::advice(&states) {
        eprintln!("{advice}");
    }
    if let Err(error) = sysroots(workspace) {
        eprintln!("{error:#}");
        complete = false;
    }
    if complete {
        println!("everything that the tests need is here");
    }
    Ok(complete)
}

/// Builds a sysroot for each target that the tests use and the active toolchain has no library for.
pub fn sysroots(workspace: &Workspace) -> Result<()> {
    let mut targets = INSPECTED_TARGETS.to_vec();
    for arch in Arch::ALL {
        if !toolchain::active_has(arch.target())? {
            targets.push(arch.target());
        }
    }
    sysroot::ensure(workspace, &targets).map(drop)
}
