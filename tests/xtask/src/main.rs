// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask`: builds guests, runs them, tests everything.

mod arch;
mod boots;
mod c_host;
mod command;
mod debian;
mod emulators;
mod example;
mod files;
mod guests;
mod host_library;
mod hosts;
mod l4re;
mod libtest;
mod packages;
mod pok;
mod report;
mod rtems;
mod suite;
mod sysroot;
mod tasks;
mod toolchain;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use arch::Arch;
use workspace::Workspace;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about,
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build two guests and the host, run them and check what they print; needs stable Rust and `cc` only
    Demo,
    /// Install what is missing, then check everything; ends with the number of checks
    Test,
    /// Build guests; finished ELFs go to `target/guests`, a folder for each architecture
    Guests {
        /// Only for this architecture
        #[arg(long)]
        arch: Vec<Arch>,
        /// Only these guests
        names: Vec<String>,
    },
    /// Build the library for hosts in C and the example of one; they go to `target/hosts`, a folder for each architecture
    Hosts {
        /// Only for this architecture
        #[arg(long)]
        arch: Vec<Arch>,
    },
    /// Check format, lints, documentation and licence headers
    Lint,
    /// Run the tests that take long
    Soak,
    /// Run the benchmarks
    Bench,
    /// Link RTEMS 6 with this layer and run its programs; without RTEMS, say what to install
    Rtems(tasks::rtems::Arguments),
    /// Run guests as partitions of the POK kernel; without its source tree, say what to fetch
    Pok(tasks::pok::Arguments),
    /// Run guests as tasks of L4Re on the Fiasco microkernel; without their build folders, say what to build
    L4re(tasks::l4re::Arguments),
    /// Install the static library for RTEMS, the C headers, the linkcmds fragment and a pkg-config file
    Install {
        /// The folder that gets lib, include and share
        #[arg(long, value_name = "DIR")]
        prefix: PathBuf,
    },
    /// Install what the tests need: packages (Debian) and Rust libraries
    Setup,
}

fn main() -> ExitCode {
    match perform(Arguments::parse().task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the task succeeded. A task that counts checks has said what failed; the others return an error.
fn perform(task: Task) -> Result<bool> {
    let workspace = Workspace::find()?;
    match task {
        Task::Demo => tasks::demo::run(&workspace)?,
        Task::Test => return tasks::test::run(&workspace),
        Task::Guests { arch, names } => tasks::guests::run(&workspace, &arch, &names)?,
        Task::Hosts { arch } => tasks::hosts::run(&workspace, &arch)?,
        Task::Lint => return tasks::lint::run(&workspace),
        Task::Soak => return tasks::soak::run(&workspace),
        Task::Bench => tasks::bench::run(&workspace)?,
        Task::Rtems(arguments) => return tasks::rtems::run(&workspace, &arguments),
        Task::Pok(arguments) => return tasks::pok::run(&workspace, &arguments),
        Task::L4re(arguments) => return tasks::l4re::run(&workspace, &arguments),
        Task::Install { prefix } => tasks::install::run(&workspace, &prefix)?,
        Task::Setup => tasks::setup::run(&workspace)?,
    }
    Ok(true)
}
