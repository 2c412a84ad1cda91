// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask test`: everything that can be checked in minutes.

use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};

use paravirt_build::arch::Arch;
use paravirt_build::c_host;
use paravirt_build::command;
use paravirt_build::guests;
use paravirt_build::hosts;
use paravirt_build::packages::Package;
use paravirt_build::static_library;
use paravirt_build::toolchain::Toolchain;
use paravirt_build::tools::{self, Tool};
use paravirt_build::workspace::Workspace;
use test_support::need::{Step, User};

use crate::libtest;
use crate::report::{self, Report};
use crate::tasks::{lint, port, setup};

/// Time for building and running all test programs; a test that hangs must not hang the rest.
const LIMIT: Duration = Duration::from_secs(3600);

/// Its options.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Install nothing: what lacks a tool is skipped
    #[arg(long)]
    no_install: bool,
    /// Only tests whose names contain one of these, and no lints
    #[arg(value_name = "NAME")]
    filters: Vec<String>,
}

/// Runs every check. Whether none failed.
///
/// # Errors
/// The packages cannot be listed; all else is counted.
pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<bool> {
    let packages = Package::all(workspace)?;
    let only_some = !arguments.filters.is_empty();
    let mut report = Report::new(if only_some { 4 } else { 5 }, report::is_ci());

    report.step("tools");
    let states = tools::set_up(workspace, !arguments.no_install);
    let advice = tools::advice(&states);
    for (tool, state) in states {
        report.tool(tool, state);
    }
    if let Some(advice) = advice {
        println!("{advice}");
    }

    report.step("Rust libraries for the guests' and the inspected targets");
    if report.has(Tool::RustSource, Some(Step::Sysroots), "sysroots") {
        report.make(Step::Sysroots, "sysroots", setup::sysroots(workspace));
    }

    report.step("guests and hosts");
    thread::scope(|scope| {
        // The test programs are compiled beside them, since neither keeps two processors busy. What does not compile is
        // said when they are to run.
        scope.spawn(|| drop(command::output(tests(workspace, &packages).arg("--no-run"))));
        build(workspace, &packages, &mut report);
    });

    report.step("test programs: units, documentation, sections, processes, machines, runs of guests");
    if only_some {
        // One after the other: not every test program takes several.
        for name in &arguments.filters {
            let outcome = libtest::run(&mut tests(workspace, &packages), Some(name))?;
            if outcome.is_empty() {
                let error = anyhow!("there is no test of such a name");
                report.check(&format!("tests called {name}"), Err(error));
            }
            report.add(outcome);
        }
    } else {
        report.add(libtest::run(&mut tests(workspace, &packages), None)?);
        report.step("format, lints, documentation");
        lint::all(workspace, &packages, &mut report);
    }
    Ok(report.finish())
}

fn build(workspace: &Workspace, packages: &[Package], report: &mut Report) {
    for arch in Arch::KNOWN {
        build_guests(workspace, packages, arch, report);
    }
    report.check("build pvhost", hosts::build(workspace, hosts::PVHOST).map(drop));
    for arch in Arch::ALL {
        build_c_host(workspace, arch, report);
    }
    build_for_rtems(workspace, report);
}

fn build_guests(workspace: &Workspace, packages: &[Package], arch: Arch, report: &mut Report) {
    let step = Step::Guests(arch);
    // The linker comes with the compiler for C.
    let what = format!("guests for {arch}");
    if arch == Arch::Aarch64 && !report.has(Tool::CrossAarch64, Some(step), &what) {
        return;
    }
    let Some(toolchain) = toolchain(workspace, arch, step, &what, report) else {
        return;
    };
    if toolchain.target() != arch.target() {
        println!(
            "guests for {arch} are built for {}, with a red zone: they do not run in ring 0",
            toolchain.target()
        );
    }
    for guest in guests::select(packages, arch, &[]) {
        let name = format!("build {} for {arch}", guest.name);
        let built = guests::build(workspace, &toolchain, arch, &guest);
        report.make(step, &name, built.map(drop));
    }
}

/// Features of the guest layer whose documentation has examples. A feature that brings a panic handler cannot be here.
const DOCUMENTED: [&str; 4] = ["ring0", "log", "embassy-time-driver", "embedded-io-async"];

/// The command that runs the test programs.
fn tests(workspace: &Workspace, packages: &[Package]) -> Command {
    let mut cargo = libtest::cargo_test(workspace, LIMIT);
    lint::without_guests(&mut cargo, packages);
    for package in packages.iter().filter(|package| package.metadata.soak) {
        cargo.args(["--exclude", &package.name]);
    }
    for feature in DOCUMENTED {
        cargo.args(["--features", &format!("{}/{feature}", lint::GUEST_LAYER)]);
    }
    cargo
}

/// Builds the host in C, which tests and examples run.
fn build_c_host(workspace: &Workspace, arch: Arch, report: &mut Report) {
    let step = Step::CHosts(arch);
    let name = format!("build {} for {arch}", c_host::NAME);
    let compiles = arch != Arch::I386 || report.has(Tool::CrossI686, Some(step), &name);
    if compiles && toolchain(workspace, arch, step, &name, report).is_some() {
        report.make(step, &name, c_host::build(workspace, arch).map(drop));
    }
}

/// The compiler for guests of `arch`; where there is none, what was to be built counts as that.
fn toolchain(workspace: &Workspace, arch: Arch, step: Step, name: &str, report: &mut Report) -> Option<Toolchain> {
    match Toolchain::find(workspace, arch) {
        Ok(toolchain) => Some(toolchain),
        Err(error) => {
            if report.has(Tool::RustSource, Some(step), name) {
                report.make(step, name, Err(error));
            }
            None
        }
    }
}

/// Builds the library that RTEMS is linked with and, where the environment names RTEMS, the BSP: that for i386, and for
/// AArch64 where the tools are for it, too.
fn build_for_rtems(workspace: &Workspace, report: &mut Report) {
    let library = static_library::RTEMS;
    for arch in [Arch::I386, Arch::Aarch64] {
        let name = format!("build {} for {arch}", library.file);
        let step = Step::RtemsLibrary(arch);
        if toolchain(workspace, arch, step, &name, report).is_some() {
            let built = static_library::build(workspace, arch, library, &workspace.rtems_library(arch));
            report.make(step, &name, built.map(drop));
        }
        let (Some(prefix), Some(_)) = (User::RtemsPrefix.value(), User::RtemsSource.value()) else {
            continue;
        };
        if arch == Arch::I386 || test_support::has_rtems_tools(prefix.as_ref(), arch) {
            let mut port = port::command("rtems");
            port.current_dir(workspace.root())
                .args(["--no-run", &format!("--bsp={arch}/paravirt")]);
            let name = format!("build the RTEMS BSP {arch}/paravirt");
            report.make(Step::RtemsBsp(arch), &name, command::run(&mut port));
        }
    }
}
