// SPDX-License-Identifier: MIT OR Apache-2.0
//! Time from the start of a process to its exit.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// Starts two programs `starts` times in turn; the time from the start to the exit in ns, which a tenth of the starts
/// of each do not exceed. What else the machine does makes starts longer, never shorter.
///
/// # Errors
/// A program fails.
pub fn compare(starts: usize, commands: [&mut Command; 2]) -> Result<[f64; 2]> {
    let mut times = [Vec::new(), Vec::new()];
    let [first, second] = commands;
    for _ in 0..starts {
        times[0].push(once(first)?);
        times[1].push(once(second)?);
    }
    Ok(times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 10]
    }))
}

fn once(command: &mut Command) -> Result<f64> {
    command.stdout(Stdio::null());
    let begin = Instant::now();
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    let time = begin.elapsed().as_nanos() as f64;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(time)
}
