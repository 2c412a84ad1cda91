// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask l4re`: guests as tasks of L4Re, from a user's trees to their output.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::checks::{self, ExtraRuns};
use super::machine::{Machine, Task};
use super::measure;
use super::tree::{Tree, WHAT_TO_INSTALL};
use paravirt_build::example::Example;
use paravirt_build::files;
use paravirt_build::packages::Package;
use paravirt_build::workspace::Workspace;

/// Where the trees are, for those who do not want to name them each time.
pub const TREE_VARIABLE: &str = "L4RE_TREE";
/// The same for Fiasco.
pub const FIASCO_VARIABLE: &str = "L4RE_FIASCO";

/// Its options.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The folder in which L4Re was built, which stays as it is
    #[arg(long, value_name = "DIR", env = TREE_VARIABLE)]
    tree: Option<PathBuf>,
    /// The folder in which the Fiasco microkernel was built, which stays as it is
    #[arg(long, value_name = "DIR", env = FIASCO_VARIABLE)]
    fiasco: Option<PathBuf>,
    /// Run this ELF, show what it prints, and compare nothing
    #[arg(long, value_name = "ELF", conflicts_with = "names")]
    guest: Option<PathBuf>,
    /// An option of the wrapper, such as `--option=--lazy`; for `--guest`
    #[arg(long = "option", value_name = "OPTION", requires = "guest")]
    options: Vec<String>,
    /// A C file with functions of the guest's own, all in one folder; for `--guest`
    #[arg(long = "source", value_name = "FILE", requires = "guest")]
    sources: Vec<PathBuf>,
    /// Give the wrapper the bus `vbus`, which L4Re's server io makes by that file; for `--guest`
    #[arg(long = "vbus", value_name = "FILE", requires = "guest")]
    bus: Option<PathBuf>,
    /// What is typed on the console; for `--guest`
    #[arg(long, value_name = "TEXT", requires = "guest", default_value = "")]
    input: String,
    /// Stop the machine after that many seconds; for `--guest`
    #[arg(long, value_name = "SECS", requires = "guest", default_value_t = 60)]
    timeout: u64,
    /// Measure calls and the interrupt flag in a guest, and the interrupt flag of L4Re's libvcpu beside it
    #[arg(long, conflicts_with_all = ["guest", "names"])]
    measure: bool,
    /// Only the examples of these names; `l4rtems` are images that call their host as in L4RTEMS, `device` is a guest
    /// with a device, `console` one for which more is typed than is kept, `faults` one whose faults are reported
    #[arg(value_name = "EXAMPLE")]
    names: Vec<String>,
    /// Arguments of the guest; for `--guest`
    #[arg(last = true, requires = "guest")]
    arguments: Vec<String>,
}

/// Builds our package in a copy of the trees' folders and runs guests. Returns whether all was right.
///
/// # Errors
/// The trees are not what they should be, something does not build or start, or prints something else.
pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<bool> {
    let (Some(tree), Some(fiasco)) = (&arguments.tree, &arguments.fiasco) else {
        eprintln!("{WHAT_TO_INSTALL}");
        return Ok(false);
    };
    let tree = Tree::at(tree, fiasco)?;
    println!("building the wrapper for {}", tree.name());
    let machine = Machine::prepare(workspace, tree)?;
    if let Some(guest) = &arguments.guest {
        return show(&machine, guest, arguments);
    }
    if arguments.measure {
        print!("{}", measure::run(&machine)?);
        return Ok(true);
    }
    let wanted = |name: &str| arguments.names.is_empty() || arguments.names.iter().any(|wanted| wanted == name);
    let packages = Package::all(workspace)?;
    let mut count = 0;
    for package in packages.iter().filter(|package| wanted(&package.name)) {
        for example in Example::all(package, machine.tree.arch).filter(|example| example.run.host == checks::HOST) {
            machine.build_guest(example.guest())?;
            println!("\n{}", example.title());
            let printed = checks::example(&machine, workspace, &example)?;
            println!("{printed}(as expected)");
            count += 1;
        }
    }
    for ExtraRuns { name, missing, run } in checks::EXTRA.into_iter().filter(|extra| wanted(extra.name)) {
        match missing(&machine.tree) {
            Some(reason) => println!("\nskipped: {name}: {reason}"),
            None => count += run(&machine, workspace)?,
        }
    }
    ensure!(count > 0, "no example of these names runs on L4Re");
    println!("\nl4re: ok, {count} runs");
    Ok(true)
}

/// Runs one guest as the options say. Returns whether it ended well.
fn show(machine: &Machine<'_>, guest: &Path, arguments: &Arguments) -> Result<bool> {
    ensure!(
        arguments.bus.is_none() || machine.tree.has_io(),
        "{} has no server io to make a bus; build the package io there",
        machine.tree.build.display()
    );
    // The makefiles run in L4Re's folder.
    let sources = arguments.sources.iter().map(|file| files::absolute("file", file));
    let sources = sources.collect::<Result<Vec<_>>>()?;
    let outcome = machine.run(&Task {
        guest,
        options: &arguments.options,
        arguments: &arguments.arguments,
        sources: &sources,
        bus: arguments.bus.as_deref(),
        input: arguments.input.as_bytes(),
        limit: Duration::from_secs(arguments.timeout),
    })?;
    println!(
        "{}{}\n({}, exit status {})",
        outcome.before, outcome.printed, outcome.end, outcome.status
    );
    Ok(outcome.status == 0)
}
