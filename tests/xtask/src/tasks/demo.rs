// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask demo`: the shortest way to see a guest run. Needs stable Rust and a C compiler for linking, no more.

use anyhow::{Context, Result};

use paravirt_build::arch::Arch;
use paravirt_build::example::Example;
use paravirt_build::guests;
use paravirt_build::hosts;
use paravirt_build::packages::Package;
use paravirt_build::toolchain::Toolchain;
use paravirt_build::workspace::Workspace;

/// The examples that it runs.
const EXAMPLES: [&str; 2] = ["hello", "ticker"];
/// Their architecture.
const ARCH: Arch = Arch::X86_64;

/// Builds guests and host, runs the examples, and ends with `demo: ok`.
pub fn run(workspace: &Workspace) -> Result<()> {
    let packages = Package::all(workspace)?;
    let toolchain = Toolchain::find(workspace, ARCH)?;
    for name in EXAMPLES {
        println!("building the guest {name} for {ARCH}");
        guests::build(workspace, &toolchain, ARCH, &guests::named(&packages, ARCH, name)?)?;
    }
    println!("building the host, pvhost");
    hosts::build(workspace, hosts::PVHOST)?;
    for name in EXAMPLES {
        let package = packages
            .iter()
            .find(|package| package.name == name)
            .with_context(|| format!("there is no example called {name}"))?;
        let example = Example::all(package, ARCH)
            .next()
            .with_context(|| format!("the example {name} says no run"))?;
        let command = example.command(workspace)?;
        println!("\n$ {}", workspace.command_line(&command));
        print!("{}", example.run_command(&command)?);
        println!("(output and exit status are as expected)");
    }
    println!("\ndemo: ok");
    Ok(())
}
