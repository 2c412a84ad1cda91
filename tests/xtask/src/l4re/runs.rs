// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs of examples whose host is L4Re, see [`crate::packages::Run`], and of guests that call it as in 2013.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use guests_of_2013::{INTERRUPTS, WHOLE};

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
/// They are none.
pub fn tree_of_environment() -> Result<Option<Tree>> {
    let variable = |name| std::env::var_os(name);
    let (Some(tree), Some(fiasco)) = (variable(TREE_VARIABLE), variable(FIASCO_VARIABLE)) else {
        return Ok(None);
    };
    Tree::at(Path::new(&tree), Path::new(&fiasco)).map(Some)
}

/// Why guests for `arch` cannot run on L4Re on this machine, if so.
pub fn missing(arch: Arch) -> Option<String> {
    match tree_of_environment() {
        Ok(None) => Some(format!("{TREE_VARIABLE} and {FIASCO_VARIABLE} are not set")),
        Ok(Some(tree)) if tree.arch != arch => Some(format!(
            "the L4Re of {TREE_VARIABLE} is for {}",
            tree.name()
        )),
        Ok(Some(_)) => None,
        Err(error) => Some(format!("{error:#}")),
    }
}

/// Prepares the trees of the environment and runs `example`; what it printed.
///
/// # Errors
/// Something does not build or start, or prints something else.
pub fn run(workspace: &Workspace, example: &Example<'_>) -> Result<String> {
    let tree = tree_of_environment()?.context("there is no L4Re")?;
    run_on(&Machine::prepare(workspace, tree)?, workspace, example)
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

/// The name by which the runs of [`of_2013`] are chosen.
pub const OF_2013: &str = "of-2013";

/// Runs the guests that call functions of 2013, and an image of then where there were any, on i386; both eagerly and lazily bound.
/// How many runs it were.
///
/// # Errors
/// A guest prints something else, or is not refused without the option; or something does not build or start.
pub fn of_2013(machine: &Machine<'_>, workspace: &Workspace, arch: Arch) -> Result<usize> {
    let name = arch.name();
    if let Some(reason) = guests_of_2013::missing(name) {
        println!("skipped: {reason}");
        return Ok(0);
    }
    let (word, printed) = WHOLE;
    // It declares a port, too, which L4Re does not grant.
    let image_of_2013 = ("guest.c", &["--partial"][..], &[word][..], printed);
    let image_of_today = ("page.c", &[][..], &[][..], INTERRUPTS);
    let guests = match arch {
        Arch::I386 => &[image_of_2013, image_of_today][..],
        Arch::X86_64 => &[image_of_today],
    };
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut count = 0;
    for &(source, always, arguments, expected) in guests {
        let guest = workspace
            .root()
            .join(format!("target/l4re/{OF_2013}-{name}"));
        guests_of_2013::build(name, source, &[], &guest).map_err(|messages| anyhow!(messages))?;
        let mut run = |options: &[&str]| {
            let options = [options, always].concat();
            println!("\n{source} for {name} on host {HOST} {}", options.join(" "));
            count += 1;
            machine.run(&Task {
                guest: &guest,
                options: &words(&options),
                arguments: &words(arguments),
                sources: &[],
                bus: None,
                input: &[],
                limit: LIMIT,
            })
        };
        for options in [&["--compat=2013"][..], &["--compat=2013", "--lazy"]] {
            let outcome = run(options)?;
            ensure!(
                (outcome.printed.as_str(), outcome.status) == (expected, 0),
                "expected {expected:?}, got {outcome:?}"
            );
            println!("{}(as expected)", outcome.printed);
        }
        let outcome = run(&[])?;
        ensure!(
            outcome.before.contains("option `--compat 2013`")
                && (outcome.end.as_str(), outcome.status) == ("", 1),
            "expected to be refused, got {outcome:?}"
        );
        println!("{}(as expected)", outcome.before);
    }
    Ok(count)
}
