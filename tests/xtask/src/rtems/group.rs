// SPDX-License-Identifier: MIT OR Apache-2.0
//! RTEMS' own programs: which there are, and what running them needs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// A folder of `testsuites`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Group {
    /// Small programs, as a start for others.
    Samples,
    /// The classic API.
    Sptests,
    /// POSIX.
    Psxtests,
    /// Times of POSIX.
    Psxtmtests,
    /// Times of the classic API.
    Tmtests,
    /// Libraries of RTEMS.
    Libtests,
    /// File systems.
    Fstests,
}

impl Group {
    /// The name of the folder.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Samples => "samples",
            Self::Sptests => "sptests",
            Self::Psxtests => "psxtests",
            Self::Psxtmtests => "psxtmtests",
            Self::Tmtests => "tmtests",
            Self::Libtests => "libtests",
            Self::Fstests => "fstests",
        }
    }
}

/// A program to run.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its group.
    pub group: Group,
    /// Its name.
    pub name: String,
    /// The ELF.
    pub path: PathBuf,
    /// What else is known about it.
    pub needs: Needs,
}

/// What a program needs beyond being started.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    /// A file beside the table, which is typed into its console.
    pub input: Option<PathBuf>,
    /// Whether it prints RTEMS' banner.
    #[serde(default = "yes")]
    pub banner: bool,
}

const fn yes() -> bool {
    true
}

impl Default for Needs {
    fn default() -> Self {
        Self {
            input: None,
            banner: true,
        }
    }
}

/// What is known about programs, from the file `programs.toml` in `folder`.
///
/// # Errors
/// The file is not there or not understood.
pub fn table(folder: &Path) -> Result<BTreeMap<String, Needs>> {
    let path = folder.join("programs.toml");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut table: BTreeMap<String, Needs> =
        toml::from_str(&text).with_context(|| format!("{} is not understood", path.display()))?;
    for needs in table.values_mut() {
        needs.input = needs.input.take().map(|input| folder.join(input));
    }
    Ok(table)
}

/// The programs of `group` below the folder `testsuites`, sorted by name.
///
/// # Errors
/// There are none.
pub fn programs(
    testsuites: &Path,
    group: Group,
    table: &BTreeMap<String, Needs>,
) -> Result<Vec<Program>> {
    let folder = testsuites.join(group.name());
    let mut programs = Vec::new();
    for entry in fs::read_dir(&folder)
        .with_context(|| format!("there are no programs in {}", folder.display()))?
    {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "exe") {
            continue;
        }
        let name = path
            .file_stem()
            .context("a program has a name")?
            .to_string_lossy()
            .into_owned();
        programs.push(Program {
            group,
            needs: table.get(&name).cloned().unwrap_or_default(),
            name,
            path,
        });
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(programs)
}
