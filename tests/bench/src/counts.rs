// SPDX-License-Identifier: MIT OR Apache-2.0
//! Instructions of the guest's own paths. Nothing disturbs these counts, and guests are always built with the same
//! options; what a compiler of another version does differently is far less than what the limits leave.

use anyhow::Result;
use test_support::Arch;

use crate::callgrind;
use crate::table::Quantity::Instructions;
use crate::table::{Limit, Row};

/// The short paths: calls and the interrupt flag.
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
