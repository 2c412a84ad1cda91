// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs in which more is typed than the program keeps for a guest that does not read.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::tree::Tree;
use super::{Machine, Task};
use paravirt_build::workspace::Workspace;

/// The name by which this run is chosen.
pub const NAME: &str = "console";

/// A guest that reads after a second, and says how much it got.
const GUEST: &str = "late";
const LIMIT: Duration = Duration::from_secs(120);

/// Bytes that the program keeps, and that are typed.
const KEPT: usize = 65_535;
const TYPED: usize = 70_000;

/// It can always run.
pub fn missing(_: &Tree) -> Option<String> {
    None
}

/// Runs it. What is kept arrives, Ctrl-D arrives although it comes last, and the number of bytes that were lost is
/// said.
///
/// # Errors
/// The guest prints something else; or something does not build or start.
pub fn run(machine: &Machine<'_>, _: &Workspace) -> Result<usize> {
    let arch = machine.tree().arch;
    println!("\n{GUEST} for {} on host l4re, {TYPED} bytes are typed", arch.name());
    let lines = (0..TYPED / 10).map(|line| format!("{line:09}\n"));
    let outcome = machine.run(&Task {
        guest: &machine.build_guest(GUEST)?,
        options: &[],
        // Long enough for all to be typed, on a machine with much else to do.
        arguments: &["call", "40"].map(str::to_owned),
        sources: &[],
        bus: None,
        input: lines.collect::<String>().as_bytes(),
        limit: LIMIT,
    })?;
    let expected = format!(
        "late: type, Ctrl-D ends\n\
         paravirt: lost {} bytes of console input: {KEPT} waited for the guest\n\
         late: {KEPT} bytes, {KEPT} of them as they were typed\n",
        TYPED - KEPT
    );
    ensure!(
        (outcome.printed.as_str(), outcome.status) == (expected.as_str(), 0),
        "expected {expected:?}, got {outcome:?}"
    );
    println!("{}(as expected)", outcome.printed);
    Ok(1)
}
