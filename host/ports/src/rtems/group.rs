// SPDX-License-Identifier: MIT OR Apache-2.0
//! RTEMS' own programs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;

/// A folder of `testsuites`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
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
    /// Units of the kernel and of its libraries.
    Unit,
    /// Every requirement of RTEMS' specification.
    Validation,
    /// Dhrystone, Linpack and Whetstone.
    Benchmarks,
    /// The Rhealstone benchmarks.
    Rhealstone,
    /// Several processors. RTEMS builds none of them for a BSP with one.
    Smptests,
}

impl Group {
    /// The name of the folder, which is that of the option's value.
    pub fn name(self) -> String {
        let value = self.to_possible_value().expect("no group is hidden from the option");
        value.get_name().to_owned()
    }

    /// RTEMS' option that has the group built.
    pub fn option(self) -> String {
        let tests = match self {
            Self::Unit | Self::Validation => "TESTS",
            _ => "",
        };
        format!("BUILD_{}{tests}", self.name().to_uppercase())
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
    /// Whether it prints RTEMS' banner.
    pub banner: bool,
}

/// At the end of the name of a program that RTEMS builds to see that it links. The sample among them is meant to run,
/// but prints nothing.
const LINK_TEST: &str = ".norun";

/// The programs of `group` below the folder `testsuites`, sorted by name.
///
/// # Errors
/// There are none, though the BSP should have some.
pub fn programs(testsuites: &Path, group: Group) -> Result<Vec<Program>> {
    let folder = testsuites.join(group.name());
    if group == Group::Smptests && !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut programs = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("there are no programs in {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "exe") {
            continue;
        }
        let stem = path.file_stem().context("a program has a name")?.to_string_lossy();
        let name = stem.strip_suffix(LINK_TEST).unwrap_or(&stem);
        if name != stem && group != Group::Samples {
            continue;
        }
        programs.push(Program {
            group,
            name: name.to_owned(),
            banner: name == stem,
            path,
        });
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_the_executables_of_a_group_and_minimum_prints_nothing() {
        let testsuites = std::env::temp_dir().join(format!("paravirt-group-{}", std::process::id()));
        let folder = testsuites.join("samples");
        fs::create_dir_all(&folder).expect("a folder");
        for name in ["hello.exe", "minimum.norun.exe", "hello.o"] {
            fs::write(folder.join(name), "").expect("a file");
        }
        fs::create_dir_all(testsuites.join("libtests")).expect("a folder");
        fs::write(testsuites.join("libtests/open.norun.exe"), "").expect("a file");
        let libtests = programs(&testsuites, Group::Libtests);
        let smptests = programs(&testsuites, Group::Smptests);
        let sptests = programs(&testsuites, Group::Sptests);
        let found = programs(&testsuites, Group::Samples);
        fs::remove_dir_all(&testsuites).expect("ours");
        assert!(libtests.expect("there are programs").is_empty());
        assert!(smptests.expect("none for one processor").is_empty());
        sptests.expect_err("these are for every BSP");
        let found: Vec<(String, bool)> = found
            .expect("there are programs")
            .into_iter()
            .map(|program| (program.name, program.banner))
            .collect();
        assert_eq!(found, [("hello".to_owned(), true), ("minimum".to_owned(), false)]);
    }
}
