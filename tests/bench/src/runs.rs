// SPDX-License-Identifier: MIT OR Apache-2.0
//! Guests that report what operations cost, the same everywhere: `bench-hosts` and `bench-start`.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use paravirt_build::emulators;
use test_support::{Arch, Tool, workspace};

use crate::guest;

/// The guest that reports operations.
pub const OPERATIONS: &str = "bench-hosts";
/// The guest that reports when its first line was out.
pub const START: &str = "bench-start";
/// What that one calls it.
pub const FIRST_LINE: &str = "first_line";
/// Time for a run in s.
const LIMIT: &str = "120";

/// Where a guest runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// As `pvhost run --host` calls it; `native`: the guest is started as an ordinary program.
    pub name: &'static str,
    /// Whether it is an emulated machine, whose time can follow the instructions.
    pub emulated: bool,
    /// The architectures of its guests.
    architectures: &'static [Arch],
}

/// QEMU's machine without a hypervisor.
pub const QEMU: Host = host("qemu", true, &Arch::KNOWN);
/// The first domain of Xen, paravirtualized.
pub const XEN_PV: Host = host("xen-pv", true, &[Arch::X86_64]);
/// A domain of Xen on AArch64.
pub const XEN_DOMU: Host = host("xen-domu", true, &[Arch::Aarch64]);
/// All. In QEMU's emulation of programs, time says nothing and cannot follow the instructions, so guests for AArch64
/// are not measured there.
pub const HOSTS: [Host; 6] = [
    host("process", false, &Arch::ALL),
    host("native", false, &Arch::ALL),
    QEMU,
    XEN_PV,
    host("xen-pvh", true, &Arch::ALL),
    XEN_DOMU,
];

const fn host(name: &'static str, emulated: bool, architectures: &'static [Arch]) -> Host {
    Host {
        name,
        emulated,
        architectures,
    }
}

impl Host {
    /// Returns whether it runs guests of that architecture.
    #[must_use]
    pub fn runs(self, arch: Arch) -> bool {
        self.architectures.contains(&arch)
    }

    /// Sees whether what it needs for guests of that architecture is there.
    ///
    /// # Errors
    /// What is not.
    pub fn probe(self, arch: Arch) -> Result<()> {
        let tools: &[Tool] = match (self.name, arch) {
            ("process" | "native", _) => &[],
            ("qemu", Arch::Aarch64) => &[Tool::QemuArm],
            ("qemu", _) => &[Tool::Qemu],
            (_, Arch::Aarch64) => &[Tool::QemuArm, Tool::XenArm],
            _ => &[Tool::Qemu, Tool::Xen],
        };
        tools.iter().try_for_each(|tool| tool.probe(&workspace()))
    }

    /// The command that runs `guest` there; with `count` in a machine whose time follows the instructions.
    #[must_use]
    pub fn command(self, pvhost: &Path, guest: &Path, count: bool) -> Command {
        if self.name == "native" {
            return guest::command(guest);
        }
        let mut command = guest::command(pvhost);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        emulators::environment(&mut command, &workspace());
        command.args(["run", "--timeout", LIMIT, "--host", self.name]);
        if count {
            command.arg("--icount");
        }
        command.arg(guest);
        command
    }
}

/// ns, and with that cycles of the time-stamp counter, that one instruction takes where time follows the instructions:
/// `shift=4`. The counter of AArch64 has 62.5 MHz.
const fn cycles_per_instruction(arch: Arch) -> f64 {
    match arch {
        Arch::X86_64 | Arch::I386 => 16.0,
        Arch::Aarch64 => 1.0,
    }
}

/// One operation's cost in ps and in thousandths of a cycle of the counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// ps.
    pub picoseconds: f64,
    /// Thousandths of a cycle.
    pub millicycles: f64,
}

impl Cost {
    /// How many instructions that is where time follows them.
    #[must_use]
    pub fn instructions(self, arch: Arch) -> f64 {
        self.millicycles / 1000.0 / cycles_per_instruction(arch)
    }
}

/// What the guest reports, by the operation's name.
pub type Costs = HashMap<String, Cost>;

/// Runs the guest; with `count` in a machine whose time follows the instructions.
///
/// # Errors
/// There is no such host, the guest fails there, or reports nothing.
pub fn run(pvhost: &Path, host: Host, guest: &Path, count: bool) -> Result<Costs> {
    let mut command = host.command(pvhost, guest, count);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let messages = String::from_utf8_lossy(&output.stderr);
        bail!("{} ended with {}: {printed}{messages}", host.name, output.status);
    }
    parse(&printed)
}

/// Runs the guest twice with time that follows the instructions: what it reports must not differ, but for what the
/// clock's own resolution adds.
///
/// # Errors
/// As [`run`], or both runs differ.
pub fn counted(pvhost: &Path, host: Host, guest: &Path) -> Result<Costs> {
    let first = run(pvhost, host, guest, true)?;
    let second = run(pvhost, host, guest, true)?;
    for (name, cost) in &first {
        let other = second.get(name);
        if !other.is_some_and(|other| is_close(*cost, *other)) {
            bail!("{name} is not repeatable: {cost:?}, then {other:?}");
        }
    }
    Ok(first)
}

fn is_close(first: Cost, second: Cost) -> bool {
    (first.millicycles - second.millicycles).abs() <= first.millicycles / 1000.0
}

/// The lines `NAME PICOSECONDS MILLICYCLES`; other lines are none of ours.
///
/// # Errors
/// There is none.
pub fn parse(printed: &str) -> Result<Costs> {
    let mut costs = Costs::new();
    for line in printed.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [name, picoseconds, millicycles] = words[..] {
            let cost = Cost {
                picoseconds: picoseconds.parse()?,
                millicycles: millicycles.parse()?,
            };
            costs.insert(name.to_owned(), cost);
        }
    }
    if costs.is_empty() {
        bail!("the guest reported nothing: {printed}");
    }
    Ok(costs)
}
