// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs of a guest that drives a device of the machine, whose interrupt and ports a virtual bus has.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::machine::Outcome;
use super::tree::Tree;
use super::{Machine, Task};
use paravirt_build::workspace::Workspace;

/// The name by which these runs are chosen; also the guest's.
pub const NAME: &str = "device";

const LIMIT: Duration = Duration::from_secs(120);

/// Where its functions are, and the configurations of the bus.
const FOLDER: &str = "tests/guests/checks/l4re";
const FUNCTIONS: &str = "keyboard.c";
const EDGE: &str = "keyboard.io";
const LEVEL: &str = "keyboard-level.io";

const EXPECTED: &str = "\
20 bytes, 20 interrupts
with interrupts off for a while: 1
with the line masked for a while: 1
with a driver that masks the line and answers later: 1
with a slow driver: 1 or 2
";

/// Why it cannot run on that L4Re, if so.
pub fn missing(tree: &Tree) -> Option<String> {
    (!tree.has_io()).then(|| "L4Re was built without the package io".to_owned())
}

/// Runs it with an interrupt of each kind, and with one that the bus does not have. How many runs it were.
///
/// # Errors
/// The guest prints something else, or is not refused; or something does not build or start.
pub fn run(machine: &Machine<'_>, workspace: &Workspace) -> Result<usize> {
    let arch = machine.tree().arch;
    let guest = machine.build_guest(NAME)?;
    let folder = workspace.root().join(FOLDER);
    let sources: [PathBuf; 1] = [folder.join(FUNCTIONS)];
    let run = |bus: &str, option: &str| -> Result<Outcome> {
        println!("\n{NAME} for {} on host l4re {option}, {bus}", arch.name());
        machine.run(&Task {
            guest: &guest,
            options: &[option.to_owned()],
            arguments: &[],
            sources: &sources,
            bus: Some(&folder.join(bus)),
            input: &[],
            limit: LIMIT,
        })
    };
    for bus in [EDGE, LEVEL] {
        let outcome = run(bus, "--irq=5:1")?;
        ensure!(
            (outcome.printed.as_str(), outcome.status) == (EXPECTED, 0),
            "expected {EXPECTED:?}, got {outcome:?}"
        );
        println!("{}(as expected)", outcome.printed);
    }
    let refusal = "no device at `vbus` has interrupt 7\n";
    let outcome = run(EDGE, "--irq=5:7")?;
    ensure!(
        outcome.before.ends_with(refusal) && (outcome.end.as_str(), outcome.status) == ("", 1),
        "expected to be refused, got {outcome:?}"
    );
    println!("{refusal}(as expected)");
    Ok(3)
}
