// SPDX-License-Identifier: MIT OR Apache-2.0
//! What packages of the workspace say about themselves in `[package.metadata.paravirt]`.
//!
//! A package is found by its manifest; nothing is registered here. The keys:
//!
//! | key | meaning |
//! |---|---|
//! | `guest = true` | its binaries are guests; or it is a library for guests, or for hosts without an operating system, and is built as they are |
//! | `arch = ["x86_64"]` | only for these (default: x86-64 and i386) |
//! | `soak = true` | its tests take long; `cargo xtask soak` runs them |
//! | `bench = true` | `cargo xtask bench` runs its benchmarks |
//! | `[[..run]]` | a run whose output is compared, see [`Run`] |

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;
use serde::Deserialize;

use crate::arch::Arch;
use crate::workspace::Workspace;

/// A package with a `[package.metadata.paravirt]` table.
#[derive(Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Names of its programs.
    pub binaries: Vec<String>,
    /// What it says about itself.
    pub metadata: Metadata,
}

/// The table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Its code is for guests only; its binaries are guests.
    #[serde(default)]
    pub guest: bool,
    /// The architectures that the guests are built for.
    #[serde(default = "all_architectures")]
    pub arch: Vec<Arch>,
    /// Its tests belong to `cargo xtask soak`.
    #[serde(default)]
    pub soak: bool,
    /// Its benchmarks belong to `cargo xtask bench`.
    #[serde(default)]
    pub bench: bool,
    /// Runs whose output is compared.
    #[serde(default)]
    pub run: Vec<Run>,
}

/// A run of a guest: what goes in and what must come out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Run {
    /// Who runs it: `process` (`pvhost run`), `native` (the guest is started as an ordinary program), both of them in
    /// QEMU's emulation of programs if the guest is for AArch64; `qemu`, `xen-domu`, `xen-pv` or `xen-pvh` (`pvhost run
    /// --host`), `l4re`, `pok` or `pok-fork` (with a user's trees), `c-host` (the example in C), or the name of a
    /// workspace package whose binary takes the guest as its first argument.
    #[serde(default = "process")]
    pub host: String,
    /// The guest; by default the one with the package's name.
    pub guest: Option<String>,
    /// Options of the host.
    #[serde(default)]
    pub host_args: Vec<String>,
    /// Arguments of the guest.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its standard input.
    #[serde(default)]
    pub stdin: String,
    /// A file beside the manifest with its standard input, in place of `stdin`: for bytes that a manifest cannot hold.
    pub stdin_file: Option<PathBuf>,
    /// A file beside the manifest with the expected standard output.
    #[serde(default = "expected")]
    pub expect: PathBuf,
    /// The checks of the conformance guest that this host does not offer, and why: the file has them as `ok`.
    #[serde(default)]
    pub not_offered: BTreeMap<String, String>,
    /// The expected exit status.
    #[serde(default)]
    pub status: i32,
    /// Only for these architectures; by default those of the guest that the host runs.
    pub arch: Option<Vec<Arch>>,
}

impl Run {
    /// Returns whether it is for guests of that architecture.
    pub fn is_for(&self, arch: Arch) -> bool {
        match &self.arch {
            Some(only) => only.contains(&arch),
            None => Arch::ALL.contains(&arch) || ["qemu", "native"].contains(&self.host.as_str()),
        }
    }
}

fn all_architectures() -> Vec<Arch> {
    Arch::ALL.to_vec()
}

fn process() -> String {
    "process".to_owned()
}

fn expected() -> PathBuf {
    PathBuf::from("expected.txt")
}

impl Package {
    /// Every package with the table, sorted by name.
    ///
    /// # Errors
    /// Cargo does not read the manifests, or one says something that is not understood.
    pub fn all(workspace: &Workspace) -> Result<Vec<Self>> {
        let metadata = MetadataCommand::new()
            .current_dir(workspace.root())
            .no_deps()
            .exec()
            .context("cannot read the workspace's manifests")?;
        let mut packages = Vec::new();
        for package in &metadata.packages {
            packages.extend(Self::of(package)?);
        }
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(packages)
    }

    fn of(package: &cargo_metadata::Package) -> Result<Option<Self>> {
        let Some(table) = package.metadata.get("paravirt") else {
            return Ok(None);
        };
        let folder = package.manifest_path.parent().context("a manifest is in a folder")?;
        let mut binaries: Vec<String> = package
            .targets
            .iter()
            .filter(|target| target.is_bin())
            .map(|target| target.name.clone())
            .collect();
        binaries.sort();
        Ok(Some(Self {
            name: package.name.to_string(),
            folder: folder.into(),
            binaries,
            metadata: Metadata::deserialize(table)
                .with_context(|| format!("{} is not understood", package.manifest_path))?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_guest_is_built_for_every_architecture_unless_it_says_otherwise() {
        let guest = |table| Metadata::deserialize(&table).expect("parses");
        assert_eq!(guest(json!({ "guest": true })).arch, Arch::ALL);
        assert_eq!(guest(json!({ "arch": ["i386"] })).arch, [Arch::I386]);
    }

    #[test]
    fn a_misspelt_key_is_an_error() {
        let error = Metadata::deserialize(&json!({ "gest": true })).expect_err("no such key");
        assert!(format!("{error:#}").contains("gest"), "{error:#}");
    }

    #[test]
    fn a_run_has_defaults() {
        let metadata = Metadata::deserialize(&json!({ "run": [{ "args": ["3"] }] })).expect("parses");
        let run = &metadata.run[0];
        assert_eq!(
            (run.host.as_str(), run.status, run.expect.to_str()),
            ("process", 0, Some("expected.txt"))
        );
    }

    #[test]
    fn this_workspace_has_guests_with_binaries() {
        let workspace = Workspace::find().expect("a checkout");
        let packages = Package::all(&workspace).expect("sound manifests");
        let hello = packages
            .iter()
            .find(|package| package.name == "hello")
            .expect("the smallest guest");
        assert!(hello.metadata.guest);
        assert_eq!(hello.binaries, ["hello"]);
    }
}
