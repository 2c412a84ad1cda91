// SPDX-License-Identifier: MIT OR Apache-2.0
//! Instructions of the guest's own paths. Nothing disturbs these counts, and guests are always built with the same
//! options; what a compiler of another version does differently is far less than what the limits leave.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use test_support::Arch;

use crate::runs::{self, Costs, FIRST_LINE, Host, OPERATIONS, QEMU, START, XEN_DOMU};
use crate::table::Quantity::Instructions;
use crate::table::{Limit, Quantity, Row};
use crate::{baseline, callgrind, guest};

/// The short paths: calls and the interrupt flag, on x86.
///
/// # Errors
/// Valgrind fails, or the guest was not built.
pub fn paths(arch: Arch) -> Result<Vec<Row>> {
    let per_call = |function: &str| {
        let instructions = callgrind::instructions(arch, "bench-paths", function)?;
        Ok::<_, anyhow::Error>(Instructions(instructions as f64 / callgrind::COUNT as f64))
    };
    Ok(vec![
        Row::new(
            format!("call through the thunk, {arch}"),
            per_call("measure_thunk_call")?,
            Limit::Exactly(Instructions(1.0)),
        )
        .against("direct call", per_call("measure_direct_call")?),
        Row::new(
            format!("interrupts off and on, {arch}"),
            per_call("measure_interrupts")?,
            Limit::AtMost(Instructions(7.0)),
        )
        .against("two volatile stores", per_call("measure_stores")?),
    ])
}

/// Names among 500 external functions.
///
/// # Errors
/// As [`paths`].
pub fn bind(arch: Arch) -> Result<Vec<Row>> {
    let count = |function| {
        let instructions = callgrind::instructions(arch, "bench-bind", function)?;
        Ok::<_, anyhow::Error>(Instructions(instructions as f64))
    };
    Ok(vec![
        Row::new(
            format!("name of 500 found in the guest, {arch}"),
            count("measure_find")?,
            Limit::AtMost(Instructions(1000.0)),
        )
        .against("strcmp chain over 500", count("measure_strcmp_chain")?),
        Row::new(
            format!("bind 500 inside the guest, {arch}"),
            count("measure_bind")?,
            Limit::AtMost(Instructions(400_000.0)),
        ),
    ])
}

/// The short paths on AArch64, which valgrind cannot run: in QEMU, where time follows the instructions, on the machine
/// without a hypervisor and in a domain of Xen. The instructions of the loop around an operation are counted with it,
/// as with its baseline.
///
/// # Errors
/// QEMU or Xen is missing, or a run fails.
pub fn emulated_paths(pvhost: &Path, host: Host) -> Result<Vec<Row>> {
    let arch = Arch::Aarch64;
    let guest = guest::path(arch, OPERATIONS)?;
    let costs = runs::counted(pvhost, host, &guest)?;
    let count = |name| counted(&costs, name);
    Ok(vec![
        // The caller loads the slot and calls where it leads, one instruction over a direct call. The slot's page
        // address, which the code model `small` demands, since it puts code and data anywhere within 4 GiB, the
        // compiler has before the loop.
        Row::new(
            format!("external call, {arch}, {}", host.name),
            count("thunk_call")?,
            Limit::Exactly(Instructions(1.0)),
        )
        .against("direct call", count("direct_call")?),
        // The flag's stores, a load of what is pending, a branch that is not taken, and one of the compiler's.
        Row::new(
            format!("interrupts off and on, {arch}, {}", host.name),
            count("interrupts_off_on")?,
            Limit::Above(Instructions(3.0)),
        )
        .against("two volatile stores", count("stores")?),
        Row::new(
            format!("Instant::now, {arch}, {}", host.name),
            count("clock_now")?,
            Limit::AtMost(Instructions(32.0)),
        ),
    ])
}

/// From the machine's start to the end of the guest's first line, on AArch64, in instructions of QEMU's. Under Xen its
/// start is among them, and the baseline's; the baseline goes to `folder`.
///
/// # Errors
/// As [`emulated_paths`], or the baseline cannot be assembled.
pub fn first_line(pvhost: &Path, host: Host, folder: &Path) -> Result<Vec<Row>> {
    let arch = Arch::Aarch64;
    let count = |image: Result<PathBuf>| {
        let costs = runs::counted(pvhost, host, &image?)?;
        counted(&costs, FIRST_LINE)
    };
    let what = format!("machine's start to hello's line, {arch}, {}", host.name);
    let layer = count(guest::path(arch, START))?;
    let bare = count(baseline::assemble(arch, "aarch64", folder))?;
    // On the machine without a hypervisor nothing comes before the guest, so the baseline is its line and no more, and
    // a ratio says nothing. Most is reading the device tree.
    let limit = if host == QEMU {
        Limit::AtMost(Instructions(300_000.0))
    } else {
        Limit::Ratio(1.1)
    };
    let row = Row::new(what, layer, limit);
    Ok(vec![row.against("assembly that only prints", bare)])
}

/// The machines in QEMU on which guests for AArch64 are counted.
pub const EMULATED: [Host; 2] = [QEMU, XEN_DOMU];

/// The instructions of an operation, to a hundredth: what is less is the clock's resolution.
fn counted(costs: &Costs, name: &str) -> Result<Quantity> {
    let cost = costs
        .get(name)
        .with_context(|| format!("the guest says nothing of {name}"))?;
    Ok(Instructions((cost.instructions(Arch::Aarch64) * 100.0).round() / 100.0))
}
