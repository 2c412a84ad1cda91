// SPDX-License-Identifier: MIT OR Apache-2.0
//! The process host on AArch64, in instructions: on a Linux kernel in QEMU, where time follows the instructions of all,
//! the kernel's included. QEMU's emulation of programs has no such time, and none of the kernel's instructions.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bench::guest::Times;
use bench::runs::{self, Costs, OPERATIONS};
use bench::table::Quantity::{self, Instructions};
use bench::table::{Limit, Row};
use bench::{baseline, guest};
use paravirt_build::aarch64;
use test_support::{Arch, Tool, workspace};

use crate::upcall::GUEST;
use crate::{HOST, Setup};

/// Lets an instruction take 1 ns.
const OPTIONS: [&str; 2] = ["-icount", "shift=0,sleep=off"];
/// Some gigabytes of instructions, on a machine that may have more to do.
const LIMIT: Duration = Duration::from_secs(600);

pub fn rows(setup: &Setup) -> Result<Vec<Row>> {
    let arch = Arch::Aarch64;
    for tool in [Tool::QemuArm, Tool::LinuxAarch64, Tool::RustAarch64, Tool::CrossAarch64] {
        if let Err(error) = tool.probe(&workspace()) {
            println!("skipped: the process host, {arch}: {error:#}");
            return Ok(Vec::new());
        }
    }
    let programs = [
        ("host", aarch64::build_optimized(&workspace(), HOST)?),
        ("upcall", guest::path(arch, GUEST)?),
        ("operations", guest::path(arch, OPERATIONS)?),
        ("signal", baseline::build(arch, "signal", setup.scratch.path())?),
    ];
    // Twice, as a kernel that has just started may lose a line of its console.
    let commands = ["/host /upcall time", "/host /operations", "/signal"].map(str::to_owned);
    let twice = [&commands[..], &commands].concat();
    let runs = aarch64::linux::run(&workspace(), &programs, &twice, &OPTIONS, LIMIT)?;
    ensure!(runs.iter().all(|(status, _)| *status == 0), "failed: {runs:?}");
    let printed = |command: &String| -> String {
        let of_command = runs.iter().filter_map(|(_, said)| said.split_once('\n'));
        let of_command = of_command.filter(|(said, _)| said == command);
        of_command.flat_map(|(_, printed)| [printed.trim(), "\n"]).collect()
    };
    let [upcall, operations, signal] = commands.each_ref().map(printed);
    let (upcall, signal) = (Times::read(&upcall)?, Times::read(&signal)?);
    let operations = runs::parse(&operations)?;
    let mut rows = paths(&operations)?;
    for (what, name) in [
        ("line raised by a signal: upcall, handler, return", "signal"),
        ("timer interrupt: upcall, handler, return", "timer"),
    ] {
        let row = Row::new(
            format!("{what}, {arch}"),
            instructions(upcall.get(name)?),
            Limit::Ratio(1.5),
        );
        rows.push(row.against("signal, handler, two sigreturns", instructions(signal.get(name)?)));
    }
    Ok(rows)
}

/// A call of the host, and the clock, which is read without one.
fn paths(costs: &Costs) -> Result<Vec<Row>> {
    let arch = Arch::Aarch64;
    let count = |name: &str| -> Result<Quantity> {
        let cost = costs
            .get(name)
            .with_context(|| format!("the guest says nothing of {name}"))?;
        Ok(instructions(cost.picoseconds / 1000.0))
    };
    Ok(vec![
        Row::new(
            format!("host function through the gate, {arch}"),
            count("pv_irq_mask")?,
            Limit::AtMost(Instructions(210.0)),
        )
        .against("direct call", count("direct_call")?),
        Row::new(
            format!("Instant::now, {arch}, process"),
            count("clock_now")?,
            Limit::AtMost(Instructions(32.0)),
        )
        .against("pv_clock_now, a call", count("pv_clock_now")?),
    ])
}

/// So many ns, to a whole instruction. The counter has one count for 16; what is shorter was done many times.
fn instructions(ns: f64) -> Quantity {
    Instructions(ns.round())
}
