// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs of this workspace that run guests.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::command;
use crate::workspace::Workspace;

/// Our own host.
pub const PVHOST: &str = "pvhost";

/// Builds the program of `package`, which has the package's name, optimized.
///
/// # Errors
/// The build fails; the compiler's messages are on standard error.
pub fn build(workspace: &Workspace, package: &str) -> Result<PathBuf> {
    let output = command::cargo()
        .current_dir(workspace.root())
        .args(["build", "--quiet", "--release"])
        .args(["--package", package, "--bin", package])
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("{package} does not build");
    }
    let messages = String::from_utf8(output.stdout).context("cargo's messages are not UTF-8")?;
    command::executable(&messages).with_context(|| format!("cargo built no program for {package}"))
}

/// The command that starts `guest` on the host called `name`, as [`crate::packages::Run::host`] describes it.
///
/// # Errors
/// The host does not build.
pub fn command(
    workspace: &Workspace,
    name: &str,
    host_arguments: &[String],
    guest: PathBuf,
    arguments: &[String],
) -> Result<Command> {
    if name == "native" {
        let mut command = Command::new(guest);
        command.args(arguments);
        return Ok(command);
    }
    let mut command = if name == "process" {
        let mut command = Command::new(build(workspace, PVHOST)?);
        command.arg("run");
        command
    } else {
        Command::new(build(workspace, name)?)
    };
    command.args(host_arguments).arg(guest);
    if !arguments.is_empty() {
        command.arg("--").args(arguments);
    }
    Ok(command)
}
