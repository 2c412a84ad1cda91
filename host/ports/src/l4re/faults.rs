// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs of a guest that does what the processor or the kernel refuses: the report says what.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::tree::Tree;
use super::{Machine, Task};
use paravirt_build::arch::Arch;
use paravirt_build::workspace::Workspace;

/// The name by which these runs are chosen.
pub const NAME: &str = "faults";

const GUEST: &str = "fault";
const LIMIT: Duration = Duration::from_secs(60);

/// What the guest does, and what the report says of it.
const BOTH: [(&str, [&str; 2]); 3] = [
    ("undefined", ["illegal instruction", "instruction: ud2"]),
    ("breakpoint", ["breakpoint", "instruction: int3"]),
    ("cli", ["general protection fault", "`cli` is privileged"]),
];
/// The same for what only x86-32 has.
const I386: [(&str, [&str; 2]); 3] = [
    ("into", ["overflow, raised by `into`", "instruction: into"]),
    (
        "bound",
        ["index out of bounds, raised by `bound`", "instruction: bound"],
    ),
    ("syscall", ["system call by guest code", "instruction: int $0x80"]),
];

/// They can always run.
pub fn missing(_: &Tree) -> Option<String> {
    None
}

/// Runs it once for each. How many runs it were.
///
/// # Errors
/// A report lacks what it should say, or the guest does not end by its fault; or something does not build or start.
pub fn run(machine: &Machine<'_>, _: &Workspace) -> Result<usize> {
    let arch = machine.tree().arch;
    let guest = machine.build_guest(GUEST)?;
    let of_arch = match arch {
        Arch::I386 => &I386[..],
        Arch::X86_64 => &[],
    };
    let mut count = 0;
    for (fault, parts) in BOTH.iter().chain(of_arch) {
        println!("\n{GUEST} for {} on host l4re {fault}", arch.name());
        let outcome = machine.run(&Task {
            guest: &guest,
            options: &[],
            arguments: &[(*fault).to_owned()],
            sources: &[],
            bus: None,
            input: &[],
            limit: LIMIT,
        })?;
        let said = parts.iter().all(|part| outcome.printed.contains(part));
        ensure!(
            said && (outcome.end.as_str(), outcome.status) == ("fault", 5),
            "expected a report with {parts:?}, got {outcome:?}"
        );
        println!("{}(as expected)", outcome.printed);
        count += 1;
    }
    Ok(count)
}
