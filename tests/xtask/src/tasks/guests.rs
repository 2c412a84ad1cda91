// SPDX-License-Identifier: MIT OR Apache-2.0
//! `cargo xtask guests`.

use anyhow::{Result, bail};

use paravirt_build::arch::Arch;
use paravirt_build::guests;
use paravirt_build::packages::Package;
use paravirt_build::toolchain::Toolchain;
use paravirt_build::workspace::Workspace;

/// Builds the guests called `names` (all if empty) for `architectures` (all if empty).
///
/// # Errors
/// A name that no guest has. Guests that do not build are named, after the others have been built.
pub fn run(workspace: &Workspace, architectures: &[Arch], names: &[String]) -> Result<()> {
    let packages = Package::all(workspace)?;
    let architectures = if architectures.is_empty() {
        &Arch::ALL[..]
    } else {
        architectures
    };
    let mut failures = Vec::new();
    let mut count = 0;
    for &arch in architectures {
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
                Ok(path) => println!("{}", path.strip_prefix(workspace.root()).unwrap_or(&path).display()),
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
