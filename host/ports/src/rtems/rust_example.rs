// SPDX-License-Identifier: MIT OR Apache-2.0
//! The example application in Rust: built against the installed BSP as its README says, run, its output compared.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::folders::Folders;
use super::location::Location;
use paravirt_build::arch::Arch;
use paravirt_build::command;
use paravirt_build::hosts;
use paravirt_build::static_library::{self, Library};
use paravirt_build::workspace::Workspace;

/// The package, and the name of its folder below `examples`.
const PACKAGE: &str = "rtems-rust";
/// What the package builds, in place of the BSP's own library.
const LIBRARY: Library = Library {
    package: PACKAGE,
    built: "librtems_rust.a",
    file: static_library::RTEMS.file,
};
/// Time after which it is stopped; it takes a quarter of a second.
const LIMIT: Duration = Duration::from_secs(30);

/// Builds and runs it. The BSP is installed.
///
/// # Errors
/// It does not build, or does not print what it should.
pub fn run(workspace: &Workspace, location: &Location) -> Result<()> {
    let sources = workspace.root().join("examples").join(PACKAGE);
    let folders = Folders::new(workspace);
    let folder = folders.root().join(PACKAGE);
    println!("building {PACKAGE}, which contains the Rust part of the BSP");
    static_library::build(workspace, Arch::I386, LIBRARY, &folder)?;

    let program = folder.join(format!("{PACKAGE}.exe"));
    println!("linking {}", workspace.shorten(&program).display());
    command::run(
        Command::new(location.tool("gcc"))
            .args(["-qrtems", "-march=pentium", "-mtune=pentiumpro", "-O2"])
            .args(["-Wall", "-Wextra", "-Werror", "-Wl,--gc-sections"])
            // Before the BSP's folder, so that the library found first is the application's.
            .arg(format!("-L{}", folder.display()))
            .arg(format!("-B{}", folders.libraries(location.version).display()))
            .arg(sources.join("c/configuration.c"))
            .arg("-o")
            .arg(&program),
    )?;

    let pvhost = hosts::build(workspace, hosts::PVHOST)?;
    println!(
        "\n$ {} run {}",
        workspace.shorten(&pvhost).display(),
        workspace.shorten(&program).display()
    );
    let mut host = Command::new(&pvhost);
    host.arg("run").arg(&program);
    let mut printed = String::new();
    let status = command::each_line(&mut command::limited(&host, LIMIT), |line| {
        let line = line.trim_end();
        println!("{line}");
        printed.push_str(line);
        printed.push('\n');
    })?;
    let expected = fs::read_to_string(sources.join("expected.txt"))?;
    // RTEMS then reports its shutdown, with version numbers.
    ensure!(
        printed.starts_with(&expected),
        "{PACKAGE} should have printed:\n{expected}"
    );
    ensure!(status.success(), "{PACKAGE} ended with {status}");
    Ok(())
}
