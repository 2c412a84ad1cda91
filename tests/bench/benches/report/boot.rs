// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the start of QEMU to its exit: what the layer's start-up adds to the boot of Xen.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use bench::table::Quantity::Time;
use bench::table::{Limit, Row};
use bench::{guest, pvhost, starts};
use test_support::Arch;

use crate::Setup;

/// Boots per guest; each takes a second or two.
const BOOTS: usize = 20;

pub fn rows(setup: &Setup, arch: Arch) -> Result<Vec<Row>> {
    // 32-bit PV is not built into Xen any more.
    if arch != Arch::X86_64 {
        return Ok(Vec::new());
    }
    let pvhost = pvhost::build()?;
    let baseline = build_baseline(setup.scratch.path())?;
    let hello = guest::path(arch, "hello")?;
    let boot = |image: &Path| {
        let mut command = Command::new(&pvhost);
        command.args(["run", "--host", "xen-pv", "--timeout", "60"]);
        command.arg(image);
        command
    };
    let [layer, bare] = starts::compare(BOOTS, [&mut boot(&hello), &mut boot(&baseline)])?;
    Ok(vec![
        Row::new("hello on Xen PV, QEMU's start to exit", Time(layer), Limit::Ratio(1.1))
            .against("assembly that only prints", Time(bare)),
    ])
}

/// Assembles the guest that only prints and exits.
fn build_baseline(folder: &Path) -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline/xen_pv.S");
    let program = folder.join("xen_pv");
    let output = Command::new("cc")
        .args(["-m64", "-nostdlib", "-static", "-no-pie"])
        // Where the layer's images lie, too.
        .args(["-Wl,--build-id=none", "-Wl,-Ttext-segment=0x100000"])
        .arg(&source)
        .arg("-o")
        .arg(&program)
        .output()?;
    if !output.status.success() {
        bail!(
            "cannot assemble {}: {}",
            source.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(program)
}
