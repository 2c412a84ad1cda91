// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests for AArch64 on the machines in QEMU, where instructions are counted.

use std::path::Path;

use anyhow::Result;
use bench::counts::EMULATED;
use bench::runs::{Failure, Host};
use bench::table::Row;
use paravirt_build::hosts;
use test_support::workspace;

/// The rows of each machine that is there.
pub fn rows(count: impl Fn(&Path, Host) -> Result<Vec<Row>, Failure>) -> Result<Vec<Row>> {
    let pvhost = hosts::build(&workspace(), hosts::PVHOST)?;
    let mut rows = Vec::new();
    for host in EMULATED {
        match count(&pvhost, host) {
            Ok(more) => rows.extend(more),
            Err(Failure::Missing(message)) => println!("skipped: {}: {message}", host.name),
            Err(Failure::Other(error)) => return Err(error),
        }
    }
    Ok(rows)
}
