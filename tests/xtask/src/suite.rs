// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running test packages and counting their tests.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::command;
use crate::emulators;
use crate::libtest::Parser;
use crate::report::Tally;
use crate::workspace::Workspace;

/// `cargo test` that ends after `limit` at the latest, with what tests are told by their environment. The caller adds
/// packages.
pub fn cargo_test(workspace: &Workspace, limit: Duration) -> Command {
    let mut cargo = command::limited(&command::cargo(), limit);
    cargo.args(["test", "--no-fail-fast"]);
    environment(&mut cargo, workspace);
    cargo
}

/// Tells tests and benchmarks where guests, sysroots and Xen are.
pub fn environment(cargo: &mut Command, workspace: &Workspace) {
    cargo
        .current_dir(workspace.root())
        .env("PARAVIRT_GUESTS", workspace.guests())
        .env("PARAVIRT_SYSROOTS", workspace.sysroots());
    if let Some(xen) = emulators::xen(workspace) {
        cargo.env(emulators::XEN_VARIABLE, xen);
    }
}

/// Runs a [`cargo_test`] and shows its output, less what passing tests print.
///
/// # Errors
/// Cargo does not start.
pub fn run(cargo: &mut Command) -> Result<Tally> {
    let mut parser = Parser::default();
    let status = command::lines(
        cargo
            // The parser reads plain text.
            .env("CARGO_TERM_COLOR", "never")
            .args(["--", "--show-output", "--color=never"]),
        |line| {
            if parser.line(line) {
                println!("{line}");
            }
        },
    )?;
    Ok(parser.finish(status.success()))
}
