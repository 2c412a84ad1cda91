// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask rtems`, `pok`, `l4re` and `linux`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use paravirt_build::command;
use paravirt_build::workspace::Workspace;
use paravirt_ports::{l4re, linux, pok, rtems};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about,
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    port: Port,
}

#[derive(Subcommand)]
enum Port {
    /// Link RTEMS with this layer and run its programs; without RTEMS, say what to install
    Rtems(rtems::command::Arguments),
    /// Run guests as partitions of the POK kernel; without its source tree, say what to fetch
    Pok(pok::command::Arguments),
    /// Run guests as tasks of L4Re on the Fiasco microkernel; without their build folders, say what to build
    L4re(l4re::command::Arguments),
    /// Run a guest for AArch64 as a process of Linux for AArch64, which QEMU runs
    Linux(linux::Arguments),
}

fn main() -> ExitCode {
    command::end_with_its_output();
    command::exit_code(perform(Arguments::parse().port))
}

/// Returns whether the command succeeded; a command that counts checks has said what failed.
fn perform(port: Port) -> Result<bool> {
    let workspace = Workspace::find()?;
    match port {
        Port::Rtems(arguments) => rtems::command::run(&workspace, &arguments),
        Port::Pok(arguments) => pok::command::run(&workspace, &arguments),
        Port::L4re(arguments) => l4re::command::run(&workspace, &arguments),
        Port::Linux(arguments) => linux::run(&workspace, &arguments),
    }
}
