// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask soak`: tests that take long, one after the other, in packages that say `soak = true`.

use std::time::Duration;

use anyhow::Result;

use crate::report::{self, Report};
use crate::suite;
use crate::tasks::guests;
use paravirt_build::packages::Package;
use paravirt_build::tools::{State, Tool};
use paravirt_build::workspace::Workspace;

/// Time for all of them.
const LIMIT: Duration = Duration::from_secs(4 * 3600);

/// Runs them all. Whether none failed.
///
/// # Errors
/// The guests do not build.
pub fn run(workspace: &Workspace) -> Result<bool> {
    guests::run(workspace, &[], &[])?;
    let packages = Package::all(workspace)?;
    let mut report = Report::new(1, report::is_ci());
    for tool in Tool::ALL {
        if let Err(error) = tool.probe(workspace) {
            report.tool(tool, State::Missing(format!("{tool}: {error:#}")));
        }
    }
    report.step("long tests");
    let mut cargo = suite::cargo_test(workspace, LIMIT);
    cargo
        .arg("--release")
        // They measure times: alone, they have the machine for themselves.
        .env("RUST_TEST_THREADS", "1");
    let soaks: Vec<&Package> = packages.iter().filter(|package| package.metadata.soak).collect();
    for package in &soaks {
        cargo.args(["--package", &package.name]);
    }
    if !soaks.is_empty() {
        report.add(suite::run(&mut cargo, None)?);
    }
    Ok(report.finish())
}
