// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each guest on each host, as the guests' manifests say it: a test for each run, its output and exit status compared.

use std::process::ExitCode;
use std::sync::{PoisonError, RwLock};

use libtest_mimic::{Arguments, Failed, Trial};

use paravirt_build::arch::Arch;
use paravirt_build::c_host;
use paravirt_build::example::Example;
use paravirt_build::hosts::EMULATED;
use paravirt_build::packages::Package;
use test_support::Tool;

/// Hosts that are built from a user's trees; the tests of `host/ports` run these.
const OF_PORTS: [&str; 3] = ["l4re", "pok", "pok-fork"];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    let packages = Package::all(&test_support::workspace()).expect("manifests that cargo reads");
    let mut examples: Vec<_> = packages
        .iter()
        .flat_map(Example::on_all_architectures)
        .filter(|example| !OF_PORTS.contains(&example.run.host.as_str()))
        .collect();
    // What has the machine for itself one after the other, or some would always wait for others.
    examples.sort_by_key(|example| EMULATED.contains(&example.run.host.as_str()));
    let trials = examples
        .into_iter()
        .map(|example| Trial::test(example.title(), move || run(&example)))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Emulators at once: each keeps one processor busy, and most machines have two.
const AT_ONCE: usize = 2;

/// Guests measure times, so each has the machine for itself; but those in an emulator, which are given more time, share
/// it.
static MACHINE: RwLock<()> = RwLock::new(());

fn run(example: &Example) -> Result<(), Failed> {
    let (host, arch) = (example.run.host.as_str(), example.arch);
    let is_emulated = EMULATED.contains(&host);
    let _alone = (!is_emulated).then(|| MACHINE.write().unwrap_or_else(PoisonError::into_inner));
    let _shared = is_emulated.then(|| MACHINE.read().unwrap_or_else(PoisonError::into_inner));
    if is_emulated {
        let _ = if arch == Arch::Aarch64 {
            test_support::qemu_arm()
        } else {
            test_support::qemu()
        };
        let _ = test_support::ring0_guest(arch, example.guest());
        if host == "xen-domu" {
            let _ = test_support::xen_arm();
        } else if host.starts_with("xen") {
            let _ = test_support::xen();
        }
    }
    if ["native", "process"].contains(&host) && arch == Arch::Aarch64 {
        test_support::tool(Tool::QemuUser);
    }
    if host == "process" && arch == Arch::Aarch64 {
        test_support::tool(Tool::CrossAarch64);
        test_support::tool(Tool::RustAarch64);
    }
    if host == c_host::NAME {
        let _ = test_support::c_host(arch, host);
    }
    let _ = test_support::guest(arch, example.guest());
    example
        .command(&test_support::workspace())
        .and_then(|command| example.run_command(&command))
        .map(drop)
        .map_err(|error| Failed::from(format!("{error:#}")))
}
