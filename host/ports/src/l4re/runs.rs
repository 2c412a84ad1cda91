// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs of examples whose host is L4Re, see [`paravirt_build::packages::Run`].

use std::time::Duration;

use anyhow::Result;

use super::{Machine, Task};
use paravirt_build::example::Example;
use paravirt_build::workspace::Workspace;

/// The host's name.
pub const HOST: &str = "l4re";

/// Where the trees are, for those who do not want to name them each time.
pub const TREE_VARIABLE: &str = "L4RE_TREE";
/// The same for Fiasco.
pub const FIASCO_VARIABLE: &str = "L4RE_FIASCO";

/// Time after which a run is stopped; the emulator needs some ten times as long as a process.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs `example` and compares.
///
/// # Errors
/// Something does not build or start, or prints something else.
pub fn run_on(machine: &Machine<'_>, workspace: &Workspace, example: &Example) -> Result<String> {
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
