// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupts: upcall, handler, return.

use anyhow::{Context, Result, bail, ensure};
use bench::guest::Times;
use bench::table::Quantity::{Instructions, Time};
use bench::table::{Limit, Row};
use bench::{baseline, guest};
use paravirt_aarch64_tests::kernel;
use paravirt_build::aarch64;
use test_support::{Arch, Tool, workspace};

use crate::{HOST, Setup};

const GUEST: &str = "bench-upcall";

pub fn rows(setup: &Setup, arch: Arch) -> Result<Vec<Row>> {
    if arch == Arch::Aarch64 {
        return counted(setup);
    }
    // The process host is a 64-bit program for i386 guests, too; signals cost a 32-bit one more.
    let signal = baseline::build(Arch::X86_64, "signal", setup.scratch.path())?;
    let [upcall, signal] = guest::compare([
        guest::command(&setup.host).arg(guest::path(arch, GUEST)?).arg("time"),
        &mut guest::command(&signal),
    ])?;
    let to_self = Time(signal.get("signal")?);
    let row = |what: &str, time, limit| Row::new(format!("{what}, {arch}"), Time(time), limit);
    Ok(vec![
        // Both send a signal to themselves, and on both sides the time of the system call is included.
        row(
            "line raised by a signal: upcall, handler, return",
            upcall.get("signal")?,
            Limit::Ratio(1.5),
        )
        .against("signal, handler, sigreturn", to_self),
        // Both are interrupted by a timer of the kernel; most of the time may be the hardware interrupt's.
        row(
            "timer interrupt: upcall, handler, return",
            upcall.get("timer")?,
            Limit::Ratio(1.5),
        )
        .against("timer signal, handler, sigreturn", Time(signal.get("timer")?)),
        row("line raised by the guest", upcall.get("raise")?, Limit::None)
            .against("signal, handler, sigreturn", to_self),
    ])
}

/// The same on AArch64, in instructions: the process host on a Linux kernel in QEMU, where time follows the
/// instructions of all, the kernel's included.
fn counted(setup: &Setup) -> Result<Vec<Row>> {
    let arch = Arch::Aarch64;
    for tool in [Tool::QemuArm, Tool::LinuxAarch64, Tool::RustAarch64, Tool::CrossAarch64] {
        if let Err(error) = tool.probe(&workspace()) {
            println!("skipped: upcalls, {arch}: {error:#}");
            return Ok(Vec::new());
        }
    }
    let programs = [
        ("host", aarch64::build_optimized(&workspace(), HOST)?),
        ("guest", guest::path(arch, GUEST)?),
        ("signal", baseline::build(arch, "signal", setup.scratch.path())?),
    ];
    let commands = ["/host /guest time", "/signal"].map(str::to_owned);
    // An instruction takes 1 ns.
    let runs = kernel::run(&programs, &commands, &["-icount", "shift=0,sleep=off"]);
    let [(upcall_status, upcall), (signal_status, signal)] = &runs[..] else {
        bail!("two commands, but {runs:?}");
    };
    ensure!([*upcall_status, *signal_status] == [0, 0], "failed: {runs:?}");
    let times = |printed: &str| -> Result<Times> {
        let (_command, printed) = printed.split_once('\n').context("the command is said first")?;
        Times::read(printed.trim())
    };
    let (upcall, signal) = (times(upcall)?, times(signal)?);
    [
        ("line raised by a signal: upcall, handler, return", "signal"),
        ("timer interrupt: upcall, handler, return", "timer"),
    ]
    .map(|(what, name)| {
        let row = Row::new(
            format!("{what}, {arch}"),
            Instructions(upcall.get(name)?),
            Limit::Ratio(1.5),
        );
        Ok(row.against("signal, handler, two sigreturns", Instructions(signal.get(name)?)))
    })
    .into_iter()
    .collect()
}
