// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs of the guest.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use bench::guest;
use test_support::Arch;

const GUEST: &str = "bench-hosts";
/// Time for a run in s.
const LIMIT: &str = "120";

/// Where the guest runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Host {
    /// As `pvhost run --host` calls it; `native`: the guest is started as an ordinary program.
    pub name: &'static str,
    /// Whether it is an emulated machine, whose time can follow the instructions.
    pub emulated: bool,
    /// Whether there are guests for i386.
    i386: bool,
}

/// All.
pub const HOSTS: [Host; 5] = [
    host("process", false, true),
    host("native", false, true),
    host("qemu", true, true),
    host("xen-pv", true, false),
    host("xen-pvh", true, true),
];

const fn host(name: &'static str, emulated: bool, i386: bool) -> Host {
    Host { name, emulated, i386 }
}

impl Host {
    /// Returns whether it runs guests of that architecture.
    pub fn runs(self, arch: Arch) -> bool {
        arch == Arch::X86_64 || self.i386
    }

    fn command(self, pvhost: &Path, arch: Arch, count: bool) -> Result<Command> {
        let guest = guest::path(arch, GUEST)?;
        if self.name == "native" {
            return Ok(guest::command(&guest));
        }
        let mut command = guest::command(pvhost);
        for name in ["PATH", "PVHOST_XEN"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.args(["run", "--timeout", LIMIT, "--host", self.name]);
        if count {
            command.arg("--icount");
        }
        command.arg(guest);
        Ok(command)
    }
}

/// One operation's cost in ps and in thousandths of a cycle of the time-stamp counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    pub picoseconds: f64,
    pub millicycles: f64,
}

/// What the guest reports, by the operation's name.
pub type Costs = HashMap<String, Cost>;

/// Why there is nothing to report.
pub enum Failure {
    /// The host is not installed.
    Missing(String),
    /// Anything else.
    Other(anyhow::Error),
}

/// Runs the guest; with `count` in a machine whose time follows the instructions.
pub fn run(pvhost: &Path, host: Host, arch: Arch, count: bool) -> Result<Costs, Failure> {
    let output = (|| {
        let mut command = host.command(pvhost, arch, count)?;
        command
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot start {command:?}"))
    })()
    .map_err(Failure::Other)?;
    let messages = String::from_utf8_lossy(&output.stderr);
    // The host's words for a machine that is not there; it names the package.
    if messages.contains("apt-get install") {
        return Err(Failure::Missing(messages.trim().to_owned()));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(Failure::Other(anyhow::anyhow!(
            "{} ended with {}: {printed}{messages}",
            host.name,
            output.status
        )));
    }
    parse(&printed).map_err(Failure::Other)
}

/// The lines `NAME PICOSECONDS MILLICYCLES`; other lines are none of ours.
fn parse(printed: &str) -> Result<Costs> {
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
