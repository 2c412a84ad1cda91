// SPDX-License-Identifier: MIT OR Apache-2.0
//! What takes long: `cargo xtask soak`, `bench` and `fuzz`.

use std::time::Duration;

use anyhow::Result;
use strum::VariantArray;

use crate::libtest;
use crate::report::{self, Report};
use crate::tasks::build;
use paravirt_build::command;
use paravirt_build::emulators;
use paravirt_build::fuzz;
use paravirt_build::packages::Package;
use paravirt_build::tools::{State, Tool};
use paravirt_build::workspace::Workspace;

/// Time for all tests that take long.
const SOAK: Duration = Duration::from_secs(4 * 3600);

/// Runs the tests of packages that say `soak = true`, one after the other. Returns whether none failed.
pub fn soak(workspace: &Workspace) -> Result<bool> {
    build::guests(workspace, &[], &[])?;
    let mut report = Report::new(1, report::is_ci());
    for &tool in Tool::VARIANTS {
        if let Err(error) = tool.probe(workspace) {
            report.tool(tool, State::Missing(format!("{tool}: {error:#}")));
        }
    }
    report.step("long tests");
    let mut soaks = Package::all(workspace)?;
    soaks.retain(|package| package.metadata.soak);
    if !soaks.is_empty() {
        let mut cargo = libtest::cargo_test(workspace, SOAK);
        cargo
            .arg("--release")
            // They measure times: alone, they have the machine for themselves.
            .env("RUST_TEST_THREADS", "1");
        for package in &soaks {
            cargo.args(["--package", &package.name]);
        }
        report.add(libtest::run(&mut cargo, None)?);
    }
    Ok(report.finish())
}

/// Runs the benchmarks of packages that say `bench = true`; the first that fails is the error.
pub fn bench(workspace: &Workspace) -> Result<()> {
    build::guests(workspace, &[], &[])?;
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

/// The options of `cargo xtask fuzz`.
#[derive(Debug, clap::Args)]
pub struct Fuzz {
    /// How long each runs
    #[arg(long, default_value_t = 1800)]
    seconds: u64,
    /// Only these
    #[arg(value_parser = fuzz::TARGETS)]
    targets: Vec<String>,
}

/// Feeds what reads files of others with anything, one program after the other.
///
/// # Errors
/// Something does not build, or a program has found an input that crashes it or costs too much; its name is the last
/// line printed.
pub fn fuzz(workspace: &Workspace, arguments: &Fuzz) -> Result<()> {
    build::guests(workspace, &[], &fuzz::SEEDS.map(str::to_owned))?;
    fuzz::build(workspace)?;
    let chosen = |target: &&&str| arguments.targets.is_empty() || arguments.targets.iter().any(|name| name == **target);
    for target in fuzz::TARGETS.iter().filter(chosen) {
        println!("fuzzing {target} for {} s", arguments.seconds);
        let corpus = fuzz::folder(workspace).join("corpus").join(target);
        let mut program = fuzz::command(workspace, target, arguments.seconds, &corpus)?;
        command::run(&mut program)?;
    }
    Ok(())
}
