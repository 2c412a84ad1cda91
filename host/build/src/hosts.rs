// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs of this workspace that run guests.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::aarch64;
use crate::arch::Arch;
use crate::c_host;
use crate::command;
use crate::emulators;
use crate::packages::Run;
use crate::workspace::Workspace;

/// Our own host.
pub const PVHOST: &str = "pvhost";
/// Hosts in an emulator, as `pvhost run --host` calls them.
pub const EMULATED: [&str; 4] = ["qemu", "xen-domu", "xen-pv", "xen-pvh"];

/// The compiler's argument by which a program brings its C library along. Finding the library takes the loader a third
/// of the time from the start of `pvhost run hello` to its exit.
pub(crate) const STATIC: &str = "-Ctarget-feature=+crt-static";

/// Builds the program of `package`, which has the package's name, optimized, and statically linked where that is
/// possible.
///
/// # Errors
/// The build fails; the compiler's messages are on standard error.
pub fn build(workspace: &Workspace, package: &str) -> Result<PathBuf> {
    let mut cargo = command::cargo();
    cargo
        .current_dir(workspace.root())
        // `cargo rustc`, because its extra argument reaches the program alone: procedural macros cannot be linked
        // statically.
        .args(["rustc", "--quiet", "--release"])
        .args(["--package", package, "--bin", package])
        .arg("--message-format=json-render-diagnostics");
    if has_static_c_library() {
        cargo.args(["--", STATIC]);
    }
    command::build_program(&mut cargo, package)
}

/// What that pvhost lists of an image.
///
/// # Errors
/// pvhost does not understand the image.
pub fn list(pvhost: &Path, image: &Path) -> Result<serde_json::Value> {
    let list = command::output(Command::new(pvhost).args(["list", "--json"]).arg(image))?;
    serde_json::from_str(&list).context("pvhost's list is not JSON")
}

/// Returns whether the C compiler has what a statically linked program is made of; some systems keep it in a package of
/// its own.
pub fn has_static_c_library() -> bool {
    ["libc.a", "rcrt1.o"].iter().all(|file| {
        let mut cc = Command::new("cc");
        cc.arg(format!("-print-file-name={file}"));
        // A file that it does not find is printed as it was given.
        command::output(&mut cc).is_ok_and(|path| path.trim() != *file)
    })
}

/// The command that starts `guest`, which is for `arch`, as `run` says.
///
/// # Errors
/// The host does not build.
pub fn command(workspace: &Workspace, arch: Arch, run: &Run, guest: PathBuf) -> Result<Command> {
    let host = run.host.as_str();
    if host == "native" {
        let mut command = emulators::start_program(arch, &guest);
        command.args(&run.args);
        return Ok(command);
    }
    let mut command = match host {
        "process" => emulators::start_program(arch, &build_process_host(workspace, arch)?),
        c_host::NAME => Command::new(c_host::build(workspace, arch)?),
        _ if EMULATED.contains(&host) => Command::new(build(workspace, PVHOST)?),
        package => Command::new(build(workspace, package)?),
    };
    if EMULATED.contains(&host) {
        command.args(["run", "--host", host]);
        emulators::environment(&mut command, workspace);
    } else if host == "process" {
        command.arg("run").args(emulators::without_sandbox(arch));
    }
    command.args(&run.host_args).arg(guest);
    if !run.args.is_empty() {
        command.arg("--").args(&run.args);
    }
    Ok(command)
}

/// Builds the pvhost that runs guests for `arch` in processes: on a processor of theirs, if need be an emulated one.
///
/// # Errors
/// As [`build`].
pub fn build_process_host(workspace: &Workspace, arch: Arch) -> Result<PathBuf> {
    if emulators::emulates_programs(arch) {
        aarch64::build(workspace, PVHOST)
    } else {
        build(workspace, PVHOST)
    }
}
