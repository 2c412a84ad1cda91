// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the layer's start-up adds to the start of a machine: from the start of QEMU to its exit, and on AArch64 the
//! instructions to the first line.

use std::path::Path;

use anyhow::Result;
use bench::runs::{Host, QEMU, XEN_PV};
use bench::table::Quantity::Time;
use bench::table::{Limit, Row};
use bench::{baseline, counts, guest, starts};
use paravirt_build::hosts;
use test_support::{Arch, workspace};

use crate::{Setup, emulated};

/// Boots per guest under Xen, which take a second or two each, and without, which take 50 ms and vary more.
const BOOTS_OF_XEN: usize = 20;
const BOOTS: usize = 200;

pub fn rows(setup: &Setup, arch: Arch) -> Result<Vec<Row>> {
    let folder = setup.scratch.path();
    match arch {
        Arch::X86_64 => {
            let limit = Limit::Ratio(1.1);
            Ok(vec![boots(folder, arch, XEN_PV, "xen_pv", BOOTS_OF_XEN, limit)?])
        }
        // 32-bit PV is not built into Xen any more.
        Arch::I386 => Ok(Vec::new()),
        Arch::Aarch64 => {
            let mut rows = emulated::rows(|pvhost, host| counts::first_line(pvhost, host, folder))?;
            // Most of it QEMU's own, and of the rest most what QEMU takes to translate code.
            rows.push(boots(folder, arch, QEMU, "aarch64", BOOTS, Limit::None)?);
            Ok(rows)
        }
    }
}

/// Times of `hello` and of that baseline, in turn, so often.
fn boots(folder: &Path, arch: Arch, host: Host, baseline: &str, count: usize, limit: Limit) -> Result<Row> {
    let pvhost = hosts::build(&workspace(), hosts::PVHOST)?;
    let baseline = baseline::assemble(arch, baseline, folder)?;
    let hello = guest::path(arch, "hello")?;
    let mut commands = [&hello, &baseline].map(|image| host.command(&pvhost, image, false));
    let [layer, bare] = starts::compare(count, commands.each_mut())?;
    let what = format!("hello, QEMU's start to exit, {arch}, {}", host.name);
    Ok(Row::new(what, Time(layer), limit).against("assembly that only prints", Time(bare)))
}
