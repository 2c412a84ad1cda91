// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fuzzing the package `fuzz` with libFuzzer, by the stable compiler and without `cargo fuzz`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::arch::Arch;
use crate::command;
use crate::guests;
use crate::workspace::Workspace;

/// Its programs.
pub const TARGETS: [&str; 7] = ["scan", "check", "bind", "audit", "debug", "header", "gdb"];

/// The guests that they begin with: small ones, since as many inputs as possible are to be tried.
pub const SEEDS: [&str; 5] = ["c-hello", "hello", "host-library", "one-backend", "own-function"];

/// Whoever names a target of the compiler has build scripts and procedural macros built without [`COVERAGE`].
const COMPILER_TARGET: &str = "x86_64-unknown-linux-gnu";

/// Options of the compiler by which a program tells libFuzzer where it has been, as `cargo fuzz` gives them.
const COVERAGE: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];

/// A backstop: the programs themselves look at the time and the memory that an input costs. Seconds by the clock, and
/// MiB with libFuzzer's own.
const HANG: u64 = 60;
const MEMORY: u64 = 2048;

/// Builds the programs.
///
/// # Errors
/// They do not build; the messages are on standard error.
pub fn build(workspace: &Workspace) -> Result<()> {
    let mut cargo = command::cargo();
    cargo
        .current_dir(workspace.root())
        .args(["build", "--quiet", "--package", "fuzz", "--bins"])
        .args(["--features", "libfuzzer", "--profile", "fuzz"])
        .args(["--target", COMPILER_TARGET, "--target-dir"])
        .arg(folder(workspace))
        .env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\x1f"));
    command::run(&mut cargo)
}

/// Where everything of theirs is.
pub fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target("fuzz")
}

/// The command that runs one of [`TARGETS`] for so many seconds, with finished guests and lists to begin with. What it
/// finds it adds to `corpus`, and continues with another time. An input that crashes it, or costs too much, it keeps
/// among the `crashes` in [`folder`].
///
/// # Errors
/// A folder cannot be made.
pub fn command(workspace: &Workspace, target: &str, seconds: u64, corpus: &Path) -> Result<Command> {
    let crashes = folder(workspace).join("crashes");
    for folder in [corpus, &crashes] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let program = folder(workspace).join(COMPILER_TARGET).join("fuzz");
    let seeds: Vec<String> = Arch::ALL
        .iter()
        .flat_map(|&arch| SEEDS.map(|name| guests::path(workspace, arch, name)))
        .map(|path| path.display().to_string())
        .collect();
    let mut command = Command::new(program.join(target));
    command
        .current_dir(workspace.root())
        .arg("-seed=1")
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={HANG}"))
        .arg(format!("-rss_limit_mb={MEMORY}"))
        .arg(format!("-artifact_prefix={}/{target}-", crashes.display()))
        .arg("-print_final_stats=1")
        .arg(format!("-seed_inputs={}", seeds.join(",")))
        .arg(corpus)
        .arg(workspace.root().join("tests/fuzz/seeds"));
    Ok(command)
}
