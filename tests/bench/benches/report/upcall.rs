// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupts: upcall, handler, return.

use anyhow::Result;
use bench::table::Quantity::Time;
use bench::table::{Limit, Row};
use bench::{baseline, guest};
use test_support::Arch;

use crate::{Setup, linux};

/// The guest that measures them.
pub const GUEST: &str = "bench-upcall";

pub fn rows(setup: &Setup, arch: Arch) -> Result<Vec<Row>> {
    if arch == Arch::Aarch64 {
        return linux::rows(setup);
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
