// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the packages below `examples`, `ffi`, `host` and `tests` say about themselves in `[package.metadata.paravirt]`.
//!
//! A package is found by its manifest; nothing is registered here. The keys:
//!
//! | key | meaning |
//! |---|---|
//! | `guest = true` | its binaries are guests; or it is a library for guests, or for hosts without an operating system, and is built as they are |
//! | `arch = ["x86_64"]` | only for these (default: all) |
//! | `soak = true` | its tests take long; `cargo xtask soak` runs them |
//! | `bench = true` | `cargo xtask bench` runs its benchmarks |
//! | `[[..run]]` | a run whose output is compared, see [`Run`] |

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::arch::Arch;
use crate::workspace::Workspace;

/// Folders whose subfolders may be packages.
const PARENTS: [&str; 5] = ["examples", "ffi", "host", "tests", "tests/guests"];

/// A package with a `[package.metadata.paravirt]` table.
#[derive(Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
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
    /// Who runs it: `process` (`pvhost run`), `native` (the guest is started as an ordinary program), `qemu`, `xen-pv` or
    /// `xen-pvh` (`pvhost run --host`; skipped where QEMU or Xen is missing), `l4re` (skipped without its trees), `c-host` (the
    /// example in C), or the name of a workspace package whose binary takes the guest as its first argument.
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
    /// The expected exit status.
    #[serde(default)]
    pub status: i32,
    /// Only for these architectures; by default those of the guest.
    pub arch: Option<Vec<Arch>>,
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

#[derive(Deserialize)]
struct Manifest {
    package: Option<ManifestPackage>,
}

#[derive(Deserialize)]
struct ManifestPackage {
    name: String,
    #[serde(default)]
    metadata: ManifestMetadata,
}

#[derive(Default, Deserialize)]
struct ManifestMetadata {
    paravirt: Option<Metadata>,
}

impl Package {
    /// Every package with the table, sorted by name.
    pub fn all(workspace: &Workspace) -> Result<Vec<Self>> {
        let mut packages = Vec::new();
        for parent in PARENTS {
            let Ok(entries) = std::fs::read_dir(workspace.root().join(parent)) else {
                continue;
            };
            for entry in entries {
                packages.extend(Self::read(&entry?.path())?);
            }
        }
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(packages)
    }

    fn read(folder: &Path) -> Result<Option<Self>> {
        let manifest = folder.join("Cargo.toml");
        if !manifest.is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&manifest)
            .with_context(|| format!("cannot read {}", manifest.display()))?;
        Self::parse(&text, folder)
            .with_context(|| format!("{} is not understood", manifest.display()))
    }

    fn parse(manifest: &str, folder: &Path) -> Result<Option<Self>> {
        let manifest: Manifest = toml::from_str(manifest)?;
        Ok(manifest.package.and_then(|package| {
            Some(Self {
                name: package.name,
                folder: folder.to_owned(),
                metadata: package.metadata.paravirt?,
            })
        }))
    }

    /// Names of its binaries: the package's own name where there is a `src/main.rs`, and one for each file in `src/bin`.
    pub fn binaries(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        if self.folder.join("src/main.rs").is_file() {
            names.push(self.name.clone());
        }
        if let Ok(entries) = std::fs::read_dir(self.folder.join("src/bin")) {
            for entry in entries {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "rs")
                    && let Some(stem) = path.file_stem()
                {
                    names.push(stem.to_string_lossy().into_owned());
                }
            }
        }
        names.sort();
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(table: &str) -> Result<Option<Package>> {
        let manifest = format!("[package]\nname = \"p\"\nedition.workspace = true\n{table}");
        Package::parse(&manifest, Path::new("p"))
    }

    #[test]
    fn a_package_without_the_table_is_none_of_ours() {
        assert!(parse("").expect("parses").is_none());
        assert!(
            parse("[package.metadata.other]\nguest = true")
                .expect("parses")
                .is_none()
        );
    }

    #[test]
    fn a_guest_is_built_for_every_architecture_unless_it_says_otherwise() {
        let guest = |keys: &str| {
            parse(&format!("[package.metadata.paravirt]\n{keys}"))
                .expect("parses")
                .expect("has the table")
                .metadata
        };
        assert_eq!(guest("guest = true").arch, Arch::ALL);
        assert_eq!(guest("arch = [\"i386\"]").arch, [Arch::I386]);
    }

    #[test]
    fn a_misspelt_key_is_an_error() {
        let error = parse("[package.metadata.paravirt]\ngest = true").expect_err("no such key");
        assert!(format!("{error:#}").contains("gest"), "{error:#}");
    }

    #[test]
    fn a_run_has_defaults() {
        let package = parse("[[package.metadata.paravirt.run]]\nargs = [\"3\"]")
            .expect("parses")
            .expect("has the table");
        let run = &package.metadata.run[0];
        assert_eq!(
            (run.host.as_str(), run.status, run.expect.to_str()),
            ("process", 0, Some("expected.txt"))
        );
    }
}
