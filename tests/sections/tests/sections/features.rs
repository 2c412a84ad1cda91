// SPDX-License-Identifier: MIT OR Apache-2.0
//! The layer with each backend alone and with each pair: cargo's unification of features hides what one backend takes
//! from another.

use std::path::Path;
use std::process::Command;

use paravirt_section_tests::arch::Arch;
use paravirt_section_tests::{tools, workspace};

/// The features of backends, and what those in ring 0 share.
const FEATURES: [&str; 7] = ["linux-syscall", "bare", "xen", "template", "pok", "pok-irq", "ring0"];

/// None, each, each pair, and all of them.
fn combinations() -> Vec<Vec<&'static str>> {
    let mut combinations = vec![Vec::new(), FEATURES.to_vec()];
    for (index, first) in FEATURES.into_iter().enumerate() {
        combinations.push(vec![first]);
        combinations.extend(FEATURES[index + 1..].iter().map(|&second| vec![first, second]));
    }
    combinations
}

fn compiles(arch: Arch, combinations: Vec<Vec<&str>>) {
    // One for each target: what waits for a folder keeps no processor busy.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("features")
        .join(arch.rust_target());
    let _guard = test_support::take_kept_folder(&folder);
    let problems: Vec<String> = combinations
        .into_iter()
        .filter_map(|features| {
            let mut cargo = Command::new(env!("CARGO"));
            cargo
                .current_dir(workspace())
                .args(["check", "--quiet", "--package", "paravirt-bsp"])
                .args(["--target", arch.rust_target()])
                .args(["--features", &features.join(",")])
                .env("CARGO_INCREMENTAL", "0")
                .env("CARGO_TARGET_DIR", &folder);
            let flags = "-Dwarnings -Crelocation-model=static";
            test_support::build_for(&mut cargo, arch.rust_target(), flags);
            tools::run(&mut cargo).err()
        })
        .collect();
    assert!(
        problems.is_empty(),
        "{} combinations do not compile:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

#[test]
fn each_backend_compiles_alone_and_with_each_other_for_x86_64() {
    compiles(Arch::X86_64, combinations());
}

#[test]
fn each_backend_compiles_alone_and_with_each_other_for_i386() {
    compiles(Arch::I386, combinations());
}

/// The backends are for x86, but an image for another architecture can name their features.
#[test]
fn backends_are_left_out_elsewhere() {
    for arch in [Arch::Aarch64, Arch::Armv7, Arch::Riscv64] {
        compiles(arch, vec![Vec::new(), FEATURES.to_vec()]);
    }
}
