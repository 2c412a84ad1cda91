// SPDX-License-Identifier: MIT OR Apache-2.0
//! Binding 500 external functions, inside the guest and by the process host, at start and on the first call.

use std::time::Instant;

use anyhow::{Context, Result};
use bench::table::Quantity::{Instructions, Time};
use bench::table::{Limit, Row};
use bench::{callgrind, counts, guest, step};
use pvhost::image::Image;
use pvhost::process::{Builder, Call, Vm};
use test_support::Arch;

use crate::Setup;

const GUEST: &str = "bench-bind";

pub fn rows(setup: &Setup, arch: Arch) -> Result<Vec<Row>> {
    // Times of the process host say nothing in QEMU.
    if arch == Arch::Aarch64 {
        return Ok(Vec::new());
    }
    let path = guest::path(arch, GUEST)?;
    let times = guest::measure(guest::command(&path).arg("time"))?;
    let most = Limit::AtMost(Time(100_000.0));
    let mut rows = vec![
        Row::new(
            format!("bind 500 inside the guest, {arch}"),
            Time(times.get("bind")?),
            most,
        ),
        Row::new(
            format!("bind 500 by the process host, {arch}"),
            Time(by_host(arch)?),
            most,
        ),
    ];
    rows.extend(first_call(setup, arch)?);
    Ok(rows)
}

/// Time in ns that the host takes longer to load a guest with 500 externals than one with a few: the fastest of each.
fn by_host(arch: Arch) -> Result<f64> {
    let many = Image::open(&guest::path(arch, GUEST)?)?;
    let few = Image::open(&guest::path(arch, "bench-paths")?)?;
    let (mut fastest_many, mut fastest_few) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..200 {
        fastest_many = fastest_many.min(load(&many)?);
        fastest_few = fastest_few.min(load(&few)?);
    }
    Ok(fastest_many - fastest_few)
}

fn load(image: &Image) -> Result<f64> {
    let builder = provide(Vm::builder(image.clone()));
    let begin = Instant::now();
    let vm = builder.build()?;
    let time = begin.elapsed().as_nanos() as f64;
    anyhow::ensure!(vm.unbound().all(|name| !name.starts_with("host_")), "500 are bound");
    Ok(time)
}

fn provide(mut builder: Builder) -> Builder {
    for number in 0..500 {
        builder = builder.provide(format!("host_{number:03}_call"), |_: &mut Call, value: u32| value);
    }
    builder
}

/// What the resolver adds to the first call, and what looking a name up costs.
fn first_call(setup: &Setup, arch: Arch) -> Result<Vec<Row>> {
    let counts = step::counts(
        guest::command(&setup.host)
            .arg("--lazy")
            .arg(guest::path(arch, GUEST)?)
            .arg("step"),
    )?;
    let first = Row::new(
        format!("lazy first call with 500, {arch}"),
        Instructions(*counts.first().context("the guest made no call")? as f64),
        Limit::AtMost(Instructions(1000.0)),
    );
    if let Err(error) = callgrind::available(arch) {
        println!("skipped: counting instructions, {arch}: {error:#}");
        return Ok(vec![first]);
    }
    let chain = callgrind::instructions(arch, GUEST, "measure_strcmp_chain")?;
    let mut rows = vec![first.against("strcmp chain over 500", Instructions(chain as f64))];
    rows.extend(counts::bind(arch)?);
    Ok(rows)
}
