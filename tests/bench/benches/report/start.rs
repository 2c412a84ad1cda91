// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the start of a process to its exit.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bench::arch::Arch;
use bench::table::Quantity::Time;
use bench::table::{Limit, Row};
use bench::{baseline, guest, starts};

use crate::Setup;

pub fn rows(setup: &Setup, arch: Arch) -> Result<Vec<Row>> {
    let program = baseline::build(arch, "hello", setup.scratch.path())?;
    let hello = guest::path(arch, "hello")?;
    let [hosted, plain] = starts::compare([
        guest::command(&pvhost()?).arg("run").arg(&hello),
        &mut guest::command(&program),
    ])?;
    let [native, beside] =
        starts::compare([&mut guest::command(&hello), &mut guest::command(&program)])?;
    let row = |what: &str, limit, time, baseline| {
        Row::new(format!("{what}, {arch}"), Time(time), limit)
            .against("static C program", Time(baseline))
    };
    Ok(vec![
        row(
            "pvhost run hello, start to exit",
            Limit::Ratio(2.0),
            hosted,
            plain,
        ),
        row("hello as a Linux program", Limit::None, native, beside),
    ])
}

/// The program `pvhost` as `cargo xtask` builds it: optimized and, like the baseline, statically linked.
fn pvhost() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    // target/release/deps/report-0123
    let target = this
        .ancestors()
        .nth(3)
        .context("this program is below the target folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["rustc", "--quiet", "--release"])
        .args(["--package", "pvhost", "--bin", "pvhost"])
        .arg("--target-dir")
        .arg(target)
        .args(["--", "-Ctarget-feature=+crt-static"])
        .status()?;
    ensure!(status.success(), "pvhost does not build");
    let program = target.join("release/pvhost");
    ensure!(program.is_file(), "no program at {}", program.display());
    Ok(program)
}
