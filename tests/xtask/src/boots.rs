// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starts of a guest on each host, one after the other: what goes wrong once in a while goes wrong here.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::arch::Arch;
use crate::emulators;
use crate::example::Example;
use crate::packages::Package;
use crate::report::Report;
use crate::workspace::Workspace;

/// Starts of a guest on each host in a row.
const STARTS: usize = 20;
/// The guest: it prints a line and ends.
const GUEST: &str = "hello";

/// Adds a check for each host in an emulator and each architecture that it runs.
///
/// # Errors
/// The guest's package is missing.
pub fn add_to(report: &mut Report, workspace: &Workspace, packages: &[Package]) -> Result<()> {
    let package = packages
        .iter()
        .find(|package| package.name == GUEST)
        .with_context(|| format!("there is no example called {GUEST}"))?;
    for arch in Arch::ALL {
        for example in Example::all(package, arch) {
            if !emulators::HOSTS.contains(&example.host()) {
                continue;
            }
            let title = format!("{STARTS} starts of {}", example.title());
            match example.missing(workspace) {
                Some(reason) => report.skip(&title, &reason),
                None => report.check(&title, repeat(&example, workspace)),
            }
        }
    }
    Ok(())
}

/// Starts it so many times, and says how long that took.
fn repeat(example: &Example<'_>, workspace: &Workspace) -> Result<()> {
    let command = example.command(workspace)?;
    let mut times = Vec::new();
    for number in 1..=STARTS {
        let start = Instant::now();
        example
            .run_command(&command)
            .with_context(|| format!("start {number}"))?;
        times.push(start.elapsed());
    }
    times.sort();
    let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
    println!(
        "{}: {} at best, {} in the middle, {} at worst",
        example.title(),
        seconds(times[0]),
        seconds(times[STARTS / 2]),
        seconds(times[STARTS - 1])
    );
    Ok(())
}
