// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program `pvhost`: shows what a guest asks for, checks it against a host, runs it.

#![cfg_attr(all(process_host, target_env = "gnu", not(test)), no_main)]

mod cli;
#[cfg(all(process_host, target_env = "gnu", not(test)))]
mod start;

#[cfg(not(all(process_host, target_env = "gnu", not(test))))]
fn main() -> std::process::ExitCode {
    cli::main().into()
}
