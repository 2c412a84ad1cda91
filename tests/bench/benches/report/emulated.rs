// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests for AArch64 on the machines in QEMU, where instructions are counted.

use std::path::Path;

use anyhow::Result;
use bench::counts::EMULATED;
use bench::runs::Host;
use bench::table::Row;
use paravirt_build::hosts;
use test_support::{Arch, workspace};

/// The rows of each machine that is there.
pub fn rows(count: impl Fn(&Path, Host) -> Result<Vec<Row>>) -> Result<Vec<Row>> {
    let pvhost = hosts::build(&workspace(), hosts::PVHOST)?;
    let mut rows = Vec::new();
    for host in EMULATED {
        match host.probe(Arch::Aarch64) {
            Ok(()) => rows.extend(count(&pvhost, host)?),
            Err(error) => println!("skipped: {}: {error:#}", host.name),
        }
    }
    Ok(rows)
}
