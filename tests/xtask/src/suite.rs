// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running test packages and counting their tests.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use paravirt_build::command;
use paravirt_build::emulators;
use paravirt_build::workspace::Workspace;

use crate::libtest::{Outcome, Parser};

/// `cargo test` that ends after `limit` at the latest. The caller adds packages.
pub fn cargo_test(workspace: &Workspace, limit: Duration) -> Command {
    let mut cargo = command::limited(&command::cargo(), limit);
    cargo.current_dir(workspace.root()).args(["test", "--no-fail-fast"]);
    emulators::environment(&mut cargo, workspace);
    cargo
}

/// Runs those tests of a [`cargo_test`] whose names contain `filter` (all if there is none), and shows its output, less
/// what passing tests print.
///
/// # Errors
/// Cargo does not start.
pub fn run(cargo: &mut Command, filter: Option<&str>) -> Result<Outcome> {
    let mut parser = Parser::default();
    let status = command::each_line(
        cargo
            // The parser reads plain text.
            .env("CARGO_TERM_COLOR", "never")
            .args(["--", "--color=never"])
            .args(filter),
        |line| {
            parser.line(line);
            println!("{line}");
        },
    )?;
    Ok(parser.finish(status.success()))
}
