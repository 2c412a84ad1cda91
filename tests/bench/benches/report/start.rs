// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the start of a process to its exit.

use anyhow::Result;
use bench::table::Quantity::Time;
use bench::table::{Limit, Row};
use bench::{baseline, guest, pvhost, starts};
use test_support::Arch;

use crate::Setup;

/// Starts per program.
const STARTS: usize = 400;

pub fn rows(setup: &Setup, arch: Arch) -> Result<Vec<Row>> {
    let program = baseline::build(arch, "hello", setup.scratch.path())?;
    let hello = guest::path(arch, "hello")?;
    let [hosted, plain] = starts::compare(
        STARTS,
        [
            guest::command(&pvhost::build()?).arg("run").arg(&hello),
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
