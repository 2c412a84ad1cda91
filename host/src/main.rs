// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program `pvhost`: shows what a guest asks for, checks it against a host, runs it.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::main()
}
