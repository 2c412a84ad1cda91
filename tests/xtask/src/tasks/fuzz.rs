// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask fuzz`: what reads files of others, fed with anything.

use anyhow::Result;

use paravirt_build::command;
use paravirt_build::fuzz;
use paravirt_build::workspace::Workspace;

use crate::tasks::guests;

/// Its options.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How long each runs
    #[arg(long, default_value_t = 1800)]
    seconds: u64,
    /// Only these
    #[arg(value_parser = fuzz::TARGETS)]
    targets: Vec<String>,
}

/// Runs them one after the other.
///
/// # Errors
/// Something does not build, or a program has found an input that crashes it or costs too much; its name is the last
/// line printed.
pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    guests::run(workspace, &[], &fuzz::SEEDS.map(str::to_owned))?;
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
