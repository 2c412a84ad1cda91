// SPDX-License-Identifier: MIT OR Apache-2.0
//! Our package: the list of functions of a guest, and the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::tree::Tree;
use paravirt_build::command;
use paravirt_build::files::write_if_changed;
use paravirt_build::workspace::Workspace;

/// The program.
pub const PROGRAM: &str = "paravirt";
/// The list of functions, as the package includes it.
const FUNCTIONS: &str = "functions.h";

/// Builds the package for `guest` in the build folder `overlay`, where image makers find it. `sources` are C files with
/// functions of the guest's own, absolute and in one folder.
///
/// # Errors
/// The guest is none, or the build fails; the error holds its messages.
pub fn build(
    workspace: &Workspace,
    tree: &Tree,
    overlay: &Path,
    library: &Path,
    pvhost: &Path,
    guest: &Path,
    sources: &[PathBuf],
) -> Result<()> {
    require_machine(tree, pvhost, guest)?;
    let functions = overlay.join("paravirt-functions");
    fs::create_dir_all(&functions)?;
    let list = command::output(Command::new(pvhost).arg("header").arg(guest).args(["--format", "c"]))?;
    write_if_changed(&functions.join(FUNCTIONS), list.as_bytes())?;
    let mut make = make(tree, overlay);
    make.arg("--directory")
        .arg(workspace.root().join("host/l4re"))
        .arg(format!("L4DIR={}", tree.source.display()))
        .arg(format!("PARAVIRT_LIBRARY={}", library.display()))
        .arg(format!("PARAVIRT_FUNCTIONS={}", functions.display()))
        .arg(format!("PARAVIRT_SOURCES={}", words(sources)));
    run_quietly(&mut make, "the package host/l4re does not build")
}

fn words(files: &[PathBuf]) -> String {
    let files = files.iter().map(|file| file.display().to_string());
    files.collect::<Vec<_>>().join(" ")
}

/// A guest of another architecture could not even be compared with what the program has.
fn require_machine(tree: &Tree, pvhost: &Path, guest: &Path) -> Result<()> {
    let list = command::output(Command::new(pvhost).args(["list", "--json"]).arg(guest))?;
    let list: serde_json::Value = serde_json::from_str(&list).context("pvhost's list is not JSON")?;
    let machine = list["machine"].as_str().unwrap_or_default();
    if machine != tree.arch.name() {
        bail!(
            "{} is for {machine}; {} runs guests for {}",
            guest.display(),
            tree.build.display(),
            tree.arch.name()
        );
    }
    Ok(())
}

/// A make that builds in `overlay`.
pub fn make(tree: &Tree, overlay: &Path) -> Command {
    let mut make = Command::new("make");
    make.arg(format!("O={}", overlay.display()))
        // A make that runs this program does not run that one.
        .env_remove("MAKEFLAGS")
        .current_dir(&tree.source);
    make
}

/// Runs a make whose output is of interest only if it fails.
///
/// # Errors
/// It fails; the error holds its messages.
pub fn run_quietly(make: &mut Command, failure: &str) -> Result<()> {
    let output = make.stdin(Stdio::null()).output().context("cannot start make")?;
    if !output.status.success() {
        bail!(
            "{failure}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
