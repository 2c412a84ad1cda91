// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starts of a guest on each host in an emulator, one after the other: what goes wrong once in a while goes wrong here.
//! On AArch64 also in a process, in QEMU's emulation of programs and on a Linux kernel, and as a program.

use std::time::{Duration, Instant};

use paravirt_aarch64_tests::run_on_linux;
use paravirt_build::example::Example;
use paravirt_build::hosts::EMULATED;
use paravirt_build::packages::Package;
use test_support::{Arch, Tool};

/// Starts of a guest on each host in a row.
const STARTS: usize = 20;
/// The guest: it prints a line and ends.
const GUEST: &str = "hello";

#[test]
fn each_start_is_as_the_first() {
    let workspace = test_support::workspace();
    let packages = Package::all(&workspace).expect("manifests that cargo reads");
    let package = packages
        .iter()
        .find(|package| package.name == GUEST)
        .expect("the smallest guest");
    let _ = (test_support::qemu(), test_support::xen());
    let examples: Vec<Example> = Example::on_all_architectures(package)
        .filter(is_emulated)
        .flat_map(with_each_controller)
        .collect();
    assert!(!examples.is_empty());
    for example in examples {
        let _ = test_support::ring0_guest(example.arch, example.guest());
        if example.arch == Arch::Aarch64 {
            for tool in [
                Tool::QemuArm,
                Tool::XenArm,
                Tool::QemuUser,
                Tool::CrossAarch64,
                Tool::RustAarch64,
            ] {
                test_support::tool(tool);
            }
        }
        let command = example.command(&workspace).expect("a host that builds");
        let mut times = Vec::new();
        for number in 1..=STARTS {
            let start = Instant::now();
            if let Err(error) = example.run_command(&command) {
                panic!("{}, start {number}: {error:#}", example.title());
            }
            times.push(start.elapsed());
        }
        times.sort();
        let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
        println!(
            "{}: {} at best, {} in the middle, {} at worst",
            example.title(),
            seconds(times[0]),
            seconds(times[STARTS / 2]),
            seconds(times[STARTS - 1])
        );
    }
}

/// Returns whether a machine, or the processor for a program, is emulated there.
fn is_emulated(example: &Example) -> bool {
    let host = example.run.host.as_str();
    EMULATED.contains(&host) || example.arch == Arch::Aarch64 && ["process", "native"].contains(&host)
}

/// The example, on AArch64 machines with an interrupt controller of each version.
fn with_each_controller(example: Example) -> Vec<Example> {
    if example.arch != Arch::Aarch64 || !EMULATED.contains(&example.run.host.as_str()) {
        return vec![example];
    }
    let with = |version: &str| {
        let mut example = example.clone();
        let option = ["--gic", version].map(str::to_owned);
        example.run.host_args.extend(option);
        example
    };
    ["2", "3"].map(with).into()
}

#[test]
fn each_start_on_a_kernel_for_aarch64_is_as_the_first() {
    let programs = [
        ("pvhost", paravirt_aarch64_tests::program("pvhost")),
        (GUEST, test_support::guest(Arch::Aarch64, GUEST)),
    ];
    let commands = vec![format!("/pvhost run /{GUEST}"); STARTS];
    for (status, said) in run_on_linux(&programs, &commands, &[], Duration::from_secs(240)) {
        assert_eq!(status, 0, "{said}");
        assert!(said.contains("Hello from a paravirtualized guest"), "{said}");
    }
}
