// SPDX-License-Identifier: MIT OR Apache-2.0
//! Starts of a guest on each host in an emulator, one after the other: what goes wrong once in a while goes wrong here.

use std::time::{Duration, Instant};

use paravirt_build::example::Example;
use paravirt_build::hosts::EMULATED;
use paravirt_build::packages::Package;

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
        .filter(|example| EMULATED.contains(&example.run.host.as_str()))
        .collect();
    assert!(!examples.is_empty());
    for example in examples {
        let _ = test_support::ring0_guest(example.arch, example.guest());
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
