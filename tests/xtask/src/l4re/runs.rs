// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs of examples whose host is L4Re, see [`crate::packages::Run`].

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use super::tree::Tree;
use super::{Machine, Task};
use crate::arch::Arch;
use crate::example::Example;
use crate::workspace::Workspace;

/// The host's name.
pub const HOST: &str = "l4re";

/// Where the trees are, for those who do not want to name them each time.
pub const TREE_VARIABLE: &str = "L4RE_TREE";
/// The same for Fiasco.
pub const FIASCO_VARIABLE: &str = "L4RE_FIASCO";

/// Time after which a run is stopped; the emulator needs some ten times as long as a process.
const LIMIT: Duration = Duration::from_secs(300);

/// The trees that the environment names.
///
/// # Errors
/// It names none, or they are none.
pub fn tree_of_environment() -> Result<Tree> {
    let variable = |name| std::env::var_os(name);
    let (Some(tree), Some(fiasco)) = (variable(TREE_VARIABLE), variable(FIASCO_VARIABLE)) else {
        bail!("{TREE_VARIABLE} and {FIASCO_VARIABLE} are not set");
    };
    Tree::at(Path::new(&tree), Path::new(&fiasco))
}

/// Why guests for `arch` cannot run on L4Re on this machine, if so.
pub fn missing(arch: Arch) -> Option<String> {
    match tree_of_environment() {
        Ok(tree) if tree.arch != arch => Some(format!(
            "the L4Re of {TREE_VARIABLE} is for {}",
            tree.name()
        )),
        Ok(_) => None,
        Err(error) => Some(format!("{error:#}")),
    }
}

/// Prepares the trees of the environment and runs `example`; what it printed.
///
/// # Errors
/// Something does not build or start, or prints something else.
pub fn run(workspace: &Workspace, example: &Example<'_>) -> Result<String> {
    let machine = Machine::prepare(workspace, tree_of_environment()?)?;
    run_on(&machine, workspace, example)
}

/// Runs `example` and compares.
///
/// # Errors
/// As [`run`].
pub fn run_on(
    machine: &Machine<'_>,
    workspace: &Workspace,
    example: &Example<'_>,
) -> Result<String> {
    let outcome = machine.run(&Task {
        guest: &example.guest_path(workspace)?,
        options: example.host_arguments(),
        arguments: example.arguments(),
        sources: &[],
        bus: None,
        input: &example.input()?,
        limit: LIMIT,
    })?;
    example.judge(&outcome.printed, Some(outcome.status), &outcome.before)?;
    Ok(outcome.printed)
}
