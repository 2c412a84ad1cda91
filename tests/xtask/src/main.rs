// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask`: builds guests, runs them, tests everything.

mod arch;
mod command;
mod debian;
mod guests;
mod packages;
mod sysroot;
mod tasks;
mod toolchain;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use arch::Arch;
use workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build guests; the finished ELFs are at target/guests/<arch>/<name>.
    Guests {
        /// Only for this architecture.
        #[arg(long)]
        arch: Vec<Arch>,
        /// Only these guests.
        names: Vec<String>,
    },
}

fn main() -> ExitCode {
    match perform(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<()> {
    let workspace = Workspace::find()?;
    match task {
        Task::Guests { arch, names } => tasks::guests::run(&workspace, &arch, &names),
    }
}
