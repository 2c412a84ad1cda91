// SPDX-License-Identifier: MIT OR Apache-2.0
//! The short paths: calls, the gate, the interrupt flag, the clock.

use anyhow::{Context, Result};
use bench::guest::{self, Times};
use bench::table::Quantity::{Instructions, Time};
use bench::table::{Limit, Row};
use bench::{baseline, callgrind, counts, far_call, step};
use test_support::Arch;

use crate::{Setup, emulated};

const GUEST: &str = "bench-paths";

pub fn rows(setup: &Setup, arch: Arch) -> Result<Vec<Row>> {
    if arch == Arch::Aarch64 {
        return emulated::rows(counts::emulated_paths);
    }
    let clock = baseline::build(arch, "clock", setup.scratch.path())?;
    let path = guest::path(arch, GUEST)?;
    let [times, native, clock] = guest::compare([
        guest::command(&setup.host).arg(&path).arg("time"),
        guest::command(&path).arg("time"),
        &mut guest::command(&clock),
    ])?;
    let mut rows = Vec::new();
    rows.extend(counted(arch)?);
    rows.extend(calls(&times, arch)?);
    rows.extend(gate(setup, &times, arch)?);
    rows.extend(flag(&times, arch)?);
    for (what, times, limit) in [
        ("Instant::now", &times, 1.0),
        ("Instant::now as a Linux program", &native, 1.25),
    ] {
        rows.push(
            Row::new(
                format!("{what}, {arch}"),
                Time(times.get("clock")?),
                Limit::Ratio(limit),
            )
            .against("clock_gettime, vDSO", Time(clock.get("clock")?)),
        );
    }
    Ok(rows)
}

fn counted(arch: Arch) -> Result<Vec<Row>> {
    if let Err(error) = callgrind::available(arch) {
        println!("skipped: counting instructions, {arch}: {error:#}");
        return Ok(Vec::new());
    }
    counts::paths(arch)
}

fn calls(times: &Times, arch: Arch) -> Result<Vec<Row>> {
    Ok(vec![
        Row::new(
            format!("call through the thunk, {arch}"),
            Time(times.get("thunk_call")?),
            Limit::None,
        )
        .against("direct call", Time(times.get("direct_call")?)),
    ])
}

fn gate(setup: &Setup, times: &Times, arch: Arch) -> Result<Vec<Row>> {
    let counts = step::counts(guest::command(&setup.host).arg(guest::path(arch, GUEST)?).arg("step"))?;
    let count = counts.iter().max().context("the guest made no call")?;
    let time = Row::new(
        format!("host function through the gate, {arch}"),
        Time(times.get("host_call")?),
        match arch {
            Arch::I386 => Limit::Ratio(1.15),
            _ => Limit::Above(Time(15.0)),
        },
    );
    let time = match arch {
        Arch::I386 => time.against("far call and return", Time(far_call::time()?)),
        _ => time.against("direct call", Time(times.get("direct_call")?)),
    };
    Ok(vec![
        Row::new(
            format!("host function through the gate, {arch}"),
            Instructions(*count as f64),
            Limit::AtMost(Instructions(match arch {
                Arch::I386 => 195.0,
                _ => 125.0,
            })),
        ),
        time,
    ])
}

fn flag(times: &Times, arch: Arch) -> Result<Vec<Row>> {
    Ok(vec![
        Row::new(
            format!("interrupts off and on, {arch}"),
            Time(times.get("interrupts")?),
            Limit::Ratio(2.0),
        )
        .against("two volatile stores", Time(times.get("stores")?)),
        Row::new(
            format!("interrupts off and on from C, {arch}"),
            Time(times.get("interrupts_from_c")?),
            Limit::Ratio(2.0),
        )
        .against("two volatile stores, out of line", Time(times.get("stores_from_c")?)),
    ])
}
