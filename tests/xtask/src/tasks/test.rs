// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask test`: everything that can be checked in minutes.

use std::time::Duration;

use anyhow::Result;

use crate::arch::Arch;
use crate::c_host;
use crate::example::Example;
use crate::guests;
use crate::hosts;
use crate::packages::Package;
use crate::report::Report;
use crate::rtems::folders::Folders;
use crate::rtems::library;
use crate::suite;
use crate::tasks::{l4re, lint, pok, rtems, setup};
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

/// Time for building and running all test programs; a test that hangs must not hang the rest.
const LIMIT: Duration = Duration::from_secs(1800);

/// Runs every check. Whether none failed.
///
/// # Errors
/// The packages cannot be listed; all else is counted.
pub fn run(workspace: &Workspace) -> Result<bool> {
    let packages = Package::all(workspace)?;
    let mut report = Report::new(6);

    report.step("tools: installing what is missing");
    for problem in setup::packages(workspace) {
        println!("{problem}\nwhat needs it will be skipped");
    }

    report.step("Rust libraries for the guests' and the inspected targets");
    match setup::sysroots(workspace) {
        Ok(()) => report.check("sysroots", Ok(())),
        Err(error) => report.skip("sysroots", &format!("{error:#}")),
    }

    report.step("guests and hosts");
    for arch in Arch::ALL {
        build_guests(workspace, &packages, arch, &mut report)?;
    }
    report.check(
        "build pvhost",
        hosts::build(workspace, hosts::PVHOST).map(drop),
    );

    build_c_hosts(workspace, &mut report);
    build_for_rtems(workspace, &mut report);

    report.step("unit tests, documentation tests, UI tests, section tests, process tests");
    let mut cargo = suite::cargo_test(workspace, LIMIT);
    lint::without_guests(&mut cargo, &packages);
    for package in packages.iter().filter(|package| package.metadata.soak) {
        cargo.args(["--exclude", &package.name]);
    }
    report.add(suite::run(&mut cargo)?);

    report.step("examples: output and exit status compared");
    for package in &packages {
        for arch in Arch::ALL {
            run_examples(workspace, package, arch, &mut report);
        }
    }

    pok::add_to(&mut report, workspace, &packages);
    l4re::add_to(&mut report, workspace);
    rtems::add_to(&mut report, workspace);

    report.step("format, lints, documentation");
    lint::all(workspace, &packages, &mut report);

    Ok(report.finish())
}

fn build_guests(
    workspace: &Workspace,
    packages: &[Package],
    arch: Arch,
    report: &mut Report,
) -> Result<()> {
    let toolchain = match Toolchain::find(workspace, arch) {
        Ok(toolchain) => toolchain,
        Err(error) => {
            report.skip(
                &format!("guests for {}", arch.name()),
                &format!("{error:#}"),
            );
            return Ok(());
        }
    };
    for guest in guests::select(packages, arch, &[])? {
        let name = format!("build {} for {}", guest.name, arch.name());
        let built = guests::build(workspace, &toolchain, arch, &guest);
        report.check(&name, built.map(drop));
    }
    Ok(())
}

/// Builds the host in C, which the tests and examples run.
fn build_c_hosts(workspace: &Workspace, report: &mut Report) {
    for arch in Arch::ALL {
        let name = format!("build {} for {}", c_host::NAME, arch.name());
        if let Err(error) = Toolchain::find(workspace, arch) {
            report.skip(&name, &format!("{error:#}"));
        } else if let Some(reason) = c_host::missing(arch) {
            report.skip(&name, &reason);
        } else {
            report.check(&name, c_host::build(workspace, arch).map(drop));
        }
    }
}

/// Builds the library that RTEMS is linked with and, where the environment names RTEMS, the BSP.
fn build_for_rtems(workspace: &Workspace, report: &mut Report) {
    let name = format!("build {}", library::FILE);
    if let Err(error) = Toolchain::find(workspace, Arch::I386) {
        report.skip(&name, &format!("{error:#}"));
        return;
    }
    let folder = Folders::new(workspace).library();
    report.check(&name, library::build(workspace, &folder).map(drop));
    match rtems::Arguments::from_environment().build(workspace) {
        Ok(true) => report.check("build the RTEMS BSP", Ok(())),
        Ok(false) => report.skip(
            "build the RTEMS BSP",
            "RTEMS_PREFIX and RTEMS_SOURCE are not set",
        ),
        Err(error) => report.check("build the RTEMS BSP", Err(error)),
    }
}

fn run_examples(workspace: &Workspace, package: &Package, arch: Arch, report: &mut Report) {
    for example in Example::all(package, arch) {
        let title = format!("run {}", example.title());
        if let Err(error) = Toolchain::find(workspace, arch) {
            report.skip(&title, &format!("{error:#}"));
        } else if let Some(reason) = example.missing(workspace) {
            report.skip(&title, &reason);
        } else {
            report.check(&title, example.run(workspace).map(drop));
        }
    }
}
