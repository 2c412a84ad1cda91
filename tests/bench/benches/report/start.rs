// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the start of a process to its exit.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use bench::table::Quantity::Time;
use bench::table::{Limit, Row};
use bench::{baseline, guest, starts};
use paravirt_build::hosts;
use test_support::{Arch, workspace};

use crate::Setup;

/// Starts per program.
const STARTS: usize = 400;

pub fn rows(setup: &Setup, arch: Arch) -> Result<Vec<Row>> {
    // Times of the process host say nothing in QEMU.
    if arch == Arch::Aarch64 {
        return Ok(Vec::new());
    }
    let folder = setup.scratch.path();
    let program = installed(folder, "static", &baseline::build(arch, "hello", folder)?)?;
    let hello = installed(folder, "hello", &guest::path(arch, "hello")?)?;
    let pvhost = installed(folder, "pvhost", &hosts::build(&workspace(), hosts::PVHOST)?)?;
    let [hosted, plain] = starts::compare(
        STARTS,
        [
            guest::command(&pvhost).arg("run").arg(&hello),
            &mut guest::command(&program),
        ],
    )?;
    let [native, beside] = starts::compare(STARTS, [&mut guest::command(&hello), &mut guest::command(&program)])?;
    let row = |what: &str, limit, time, baseline| {
        Row::new(format!("{what}, {arch}"), Time(time), limit).against("static C program", Time(baseline))
    };
    Ok(vec![
        row("pvhost run hello, start to exit", Limit::Ratio(2.0), hosted, plain),
        row("hello as a Linux program", Limit::None, native, beside),
    ])
}

/// A copy, as an installation makes it. The kernel keeps a file in memory in pieces that depend on who wrote it: of one
/// that a linker has written by way of a mapping, in single pages, each of which costs at every start. So all programs
/// here are written in the same way.
fn installed(folder: &Path, name: &str, program: &Path) -> Result<PathBuf> {
    let copy = folder.join(format!("installed-{name}"));
    fs::copy(program, &copy).with_context(|| format!("cannot copy {}", program.display()))?;
    Ok(copy)
}
