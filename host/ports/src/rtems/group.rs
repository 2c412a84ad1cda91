// SPDX-License-Identifier: MIT OR Apache-2.0
//! RTEMS' own programs: which there are.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use pvhost::testing::{self, Expects, Launcher, Test};

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

/// The programs of `group` below the folder `testsuites`, sorted by name.
///
/// # Errors
/// The folder cannot be read, though the BSP should have such programs.
pub fn programs(testsuites: &Path, group: Group, launcher: &impl Launcher) -> Result<Vec<Test>> {
    let folder = testsuites.join(group.name());
    if group == Group::Smptests && !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut programs = testing::find(&[folder], launcher, Duration::ZERO)?.tests;
    programs.retain(|program| program.group == group.name());
    for program in &mut programs {
        // The others say by nothing else that their test has come to its end.
        if program.expects == Expects::BannerOrSuccess {
            program.expects = Expects::Banner;
        }
    }
    Ok(programs)
}
