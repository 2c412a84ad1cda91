// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests, and what measuring programs print.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use test_support::Arch;

/// How often a measuring program is run. The fastest run counts.
const RUNS: usize = 5;

/// The finished ELF of a guest, built by `cargo xtask guests`.
///
/// # Errors
/// It is not there.
pub fn path(arch: Arch, name: &str) -> Result<PathBuf> {
    let path = test_support::guest_path(arch, name);
    if !path.is_file() {
        bail!(
            "no guest {name} for {arch}: run `cargo xtask guests` (looked for {})",
            path.display()
        );
    }
    Ok(path)
}

/// A command without this process's environment: cargo's library path slows down every program that the loader starts.
#[must_use]
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    command
}

/// What a measuring program printed: ns by name.
#[derive(Debug, Default)]
pub struct Times(HashMap<String, f64>);

impl Times {
    /// The time of that name in ns.
    ///
    /// # Errors
    /// The program did not print it.
    pub fn get(&self, name: &str) -> Result<f64> {
        self.0
            .get(name)
            .copied()
            .with_context(|| format!("the program printed no time for {name}"))
    }

    /// The times in the lines `NAME PICOSECONDS`.
    ///
    /// # Errors
    /// There are others.
    pub fn read(text: &str) -> Result<Self> {
        let mut times = Self::default();
        times.improve(text)?;
        Ok(times)
    }

    /// Takes what is faster in the lines `NAME PICOSECONDS`.
    fn improve(&mut self, text: &str) -> Result<()> {
        for line in text.lines() {
            let (name, picoseconds) = line
                .split_once(' ')
                .with_context(|| format!("`{line}` is not a name and a time"))?;
            let ns = picoseconds.parse::<f64>()? / 1000.0;
            self.0
                .entry(name.to_owned())
                .and_modify(|fastest| *fastest = fastest.min(ns))
                .or_insert(ns);
        }
        Ok(())
    }
}

/// Runs measuring programs in turn, a few times, so that all see the same machine; the fastest of each.
///
/// # Errors
/// One of them fails or prints something else.
pub fn compare<const N: usize>(mut commands: [&mut Command; N]) -> Result<[Times; N]> {
    let mut times = [(); N].map(|()| Times::default());
    for _ in 0..RUNS {
        for (times, command) in times.iter_mut().zip(&mut commands) {
            times.improve(&output(command)?)?;
        }
    }
    Ok(times)
}

/// Runs a measuring program a few times; the fastest.
///
/// # Errors
/// It fails or prints something else.
pub fn measure(command: &mut Command) -> Result<Times> {
    let mut times = Times::default();
    for _ in 0..RUNS {
        times.improve(&output(command)?)?;
    }
    Ok(times)
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!(
            "{command:?} ended with {}: {text}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(text)
}
