// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask bench`: the benchmarks of packages that say `bench = true`.

use anyhow::Result;

use crate::tasks::guests;
use paravirt_build::command;
use paravirt_build::emulators;
use paravirt_build::packages::Package;
use paravirt_build::workspace::Workspace;

/// Runs them all.
///
/// # Errors
/// A guest or a benchmark does not build, or a benchmark fails.
pub fn run(workspace: &Workspace) -> Result<()> {
    guests::run(workspace, &[], &[])?;
    for package in Package::all(workspace)? {
        if package.metadata.bench {
            let mut cargo = command::cargo();
            cargo.args(["bench", "--package", &package.name]);
            cargo.current_dir(workspace.root());
            emulators::environment(&mut cargo, workspace);
            command::run(&mut cargo)?;
        }
    }
    Ok(())
}
