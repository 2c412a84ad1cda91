// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask guests`, `hosts` and `interface`.

use anyhow::{Result, bail};

use paravirt_build::arch::Arch;
use paravirt_build::c_host;
use paravirt_build::files::write_if_changed;
use paravirt_build::guests;
use paravirt_build::interface;
use paravirt_build::packages::Package;
use paravirt_build::static_library;
use paravirt_build::toolchain::Toolchain;
use paravirt_build::workspace::Workspace;

/// Those that were asked for; all if none was.
fn chosen(architectures: &[Arch]) -> &[Arch] {
    match architectures {
        [] => &Arch::ALL,
        some => some,
    }
}

/// Builds the guests called `names` (all if empty) for `architectures` (all if empty).
///
/// # Errors
/// A name that no guest has. Guests that do not build are named, after the others have been built.
pub fn guests(workspace: &Workspace, architectures: &[Arch], names: &[String]) -> Result<()> {
    let packages = Package::all(workspace)?;
    let mut failures = Vec::new();
    let mut count = 0;
    let chosen = if architectures.is_empty() {
        &Arch::KNOWN
    } else {
        architectures
    };
    for &arch in chosen {
        let selected = guests::select(&packages, arch, names);
        if selected.is_empty() {
            continue;
        }
        count += selected.len();
        let toolchain = match Toolchain::find(workspace, arch) {
            Ok(toolchain) => toolchain,
            Err(error) => {
                failures.push(format!("{error:#}"));
                continue;
            }
        };
        for guest in selected {
            match guests::build(workspace, &toolchain, arch, &guest) {
                Ok(path) => println!("{}", workspace.shorten(&path).display()),
                Err(error) => failures.push(format!("{error:#}")),
            }
        }
    }
    if count == 0 && !names.is_empty() {
        bail!("no guest is called {}", names.join(" or "));
    }
    if !failures.is_empty() {
        bail!("{}", failures.join("\n"));
    }
    Ok(())
}

/// Builds the library for hosts in C, and the example of one, for `architectures` (all if empty), and says where they
/// are.
pub fn hosts(workspace: &Workspace, architectures: &[Arch]) -> Result<()> {
    for &arch in chosen(architectures) {
        let program = c_host::build(workspace, arch)?;
        let library = program.with_file_name(static_library::HOST.file);
        println!("{}", workspace.shorten(&library).display());
        println!("{}", workspace.shorten(&program).display());
    }
    Ok(())
}

/// Writes what is made from the list of interface functions, where it is not as it should be, and names the files.
///
/// # Errors
/// A file cannot be read or written.
pub fn interface(workspace: &Workspace) -> Result<()> {
    for (path, text) in interface::files(workspace)? {
        if write_if_changed(&path, text.as_bytes())? {
            println!("{}", workspace.shorten(&path).display());
        }
    }
    Ok(())
}
