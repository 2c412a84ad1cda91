// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask`: builds guests, runs them, tests everything.

mod libtest;
mod report;
mod tasks;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use paravirt_build::arch::Arch;
use paravirt_build::command;
use paravirt_build::workspace::Workspace;

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
    Test(tasks::test::Arguments),
    /// Build guests; finished ELFs go to `target/guests`, a folder for each architecture
    Guests {
        /// Only for this architecture
        #[arg(long)]
        arch: Vec<Arch>,
        /// Only these guests
        names: Vec<String>,
    },
    /// Build the library for hosts in C and the example of one; they go to `target/hosts`, a folder for each
    /// architecture
    Hosts {
        /// Only for this architecture
        #[arg(long)]
        arch: Vec<Arch>,
    },
    /// Write the C header and the document's table from the list of interface functions
    Interface,
    /// Check format, lints, documentation and licence headers
    Lint,
    /// Run the tests that take long
    Soak,
    /// Run the benchmarks
    Bench,
    /// Feed what reads files of others with anything, half an hour each; needs `g++`
    Fuzz(tasks::long::Fuzz),
    /// Link RTEMS with this layer and run its programs; without RTEMS, say what to install
    #[command(disable_help_flag = true)]
    Rtems(Port),
    /// Run guests as partitions of the POK kernel; without its source tree, say what to fetch
    #[command(disable_help_flag = true)]
    Pok(Port),
    /// Run guests as tasks of L4Re on the Fiasco microkernel; without their build folders, say what to build
    #[command(disable_help_flag = true)]
    L4re(Port),
    /// Run a guest for AArch64 as a process of Linux for AArch64, which QEMU runs
    #[command(disable_help_flag = true)]
    Linux(Port),
    /// Install pvhost, and what guests in C and C++ and hosts in C are built with: libraries, headers, linker scripts,
    /// descriptions for pkg-config and CMake
    Install(tasks::install::Arguments),
    /// Pack a release of pvhost that needs nothing of the system, with its manual and licences, to `target/dist`
    Dist,
    /// Install what the tests need: packages (Debian) and Rust libraries
    Setup,
}

/// Arguments of a command of `host/ports`, which is compiled when it is asked for.
#[derive(clap::Args)]
struct Port {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    arguments: Vec<OsString>,
}

/// What works where guests do not run.
const ELSEWHERE: &str = "guests are built and run on x86-64 Linux only; here, `cargo build -p pvhost` gives \
    `pvhost list`, `check`, `audit`, `bind` and `header`";

fn main() -> ExitCode {
    command::end_with_its_output();
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        eprintln!("{}-{}: {ELSEWHERE}", std::env::consts::ARCH, std::env::consts::OS);
        return ExitCode::FAILURE;
    }
    command::exit_code(perform(Arguments::parse().task))
}

/// Returns whether the task succeeded. A task that counts checks has said what failed; the others return an error.
fn perform(task: Task) -> Result<bool> {
    let workspace = Workspace::find()?;
    match task {
        Task::Demo => tasks::demo::run(&workspace)?,
        Task::Test(arguments) => return tasks::test::run(&workspace, &arguments),
        Task::Guests { arch, names } => tasks::build::guests(&workspace, &arch, &names)?,
        Task::Hosts { arch } => tasks::build::hosts(&workspace, &arch)?,
        Task::Interface => tasks::build::interface(&workspace)?,
        Task::Lint => return tasks::lint::run(&workspace),
        Task::Soak => return tasks::long::soak(&workspace),
        Task::Bench => tasks::long::bench(&workspace)?,
        Task::Fuzz(arguments) => tasks::long::fuzz(&workspace, &arguments)?,
        Task::Rtems(port) => return tasks::port::run("rtems", &port.arguments),
        Task::Pok(port) => return tasks::port::run("pok", &port.arguments),
        Task::L4re(port) => return tasks::port::run("l4re", &port.arguments),
        Task::Linux(port) => return tasks::port::run("linux", &port.arguments),
        Task::Install(arguments) => tasks::install::run(&workspace, &arguments)?,
        Task::Dist => tasks::dist::run(&workspace)?,
        Task::Setup => return tasks::setup::run(&workspace),
    }
    Ok(true)
}
