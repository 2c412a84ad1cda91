// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program `pvhost`: shows what a guest asks for, checks it against a host, runs it.

#![cfg_attr(
    all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64"),
        target_env = "gnu",
        not(test)
    ),
    no_main
)]

mod cli;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_env = "gnu",
    not(test)
))]
mod start;

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_env = "gnu",
    not(test)
)))]
fn main() -> std::process::ExitCode {
    cli::main().into()
}
