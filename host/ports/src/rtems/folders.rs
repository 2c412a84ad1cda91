// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the files of an RTEMS build are.

use std::path::PathBuf;

use paravirt_build::workspace::Workspace;

use super::location::Location;

/// The BSP, as RTEMS' configuration names it.
pub const BSP: &str = "i386/paravirt";

/// Folders below `target/rtems`.
#[derive(Clone, Debug)]
pub struct Folders {
    /// That one.
    pub root: PathBuf,
    /// Our build items, paths filled in.
    pub spec: PathBuf,
    /// Links to RTEMS' sources and to ours: what waf sees as its source tree.
    pub source: PathBuf,
    /// What waf builds.
    pub build: PathBuf,
    /// RTEMS' programs, a folder for each group of tests.
    pub programs: PathBuf,
    /// Tables of test results, and what each program printed.
    pub results: PathBuf,
    /// What waf installs.
    pub install: PathBuf,
    /// A prefix with what stands in for tools that the user does not have.
    pub lacking: PathBuf,
    /// The file with the BSP's choices.
    pub config: PathBuf,
}

impl Folders {
    /// Those of `workspace`.
    pub fn new(workspace: &Workspace) -> Self {
        Self::at(workspace.rtems())
    }

    /// Those below `root`.
    pub(super) fn at(root: PathBuf) -> Self {
        Self {
            spec: root.join("spec"),
            source: root.join("source"),
            build: root.join("build"),
            programs: root.join("build").join(BSP).join("testsuites"),
            results: root.join("results"),
            install: root.join("install"),
            lacking: root.join("lacking"),
            config: root.join("config.ini"),
            root,
        }
    }

    /// The installed BSP's libraries, linkcmds and headers.
    pub fn libraries(&self, location: &Location) -> PathBuf {
        let bsp = BSP.trim_start_matches("i386/");
        self.install.join(location.target()).join(bsp).join("lib")
    }
}
