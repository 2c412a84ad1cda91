// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the files of an RTEMS build are.

use std::path::PathBuf;

use paravirt_build::workspace::Workspace;

use super::bsp::Bsp;
use super::location::Location;

/// The folders of one BSP below `target/rtems`.
#[derive(Clone, Debug)]
pub struct Folders {
    /// What nobody else writes to: for i386 that one itself, for others a folder in it.
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
    /// What waf installs, the same folder for all BSPs: they have their own names there.
    pub install: PathBuf,
    /// A prefix with what stands in for tools that the user does not have.
    pub lacking: PathBuf,
    /// The file with the BSP's choices.
    pub config: PathBuf,
}

impl Folders {
    /// Those of `bsp` in `workspace`.
    pub fn new(workspace: &Workspace, bsp: Bsp) -> Self {
        Self::at(workspace.rtems(), bsp)
    }

    /// Those of `bsp` below `rtems`.
    pub(super) fn at(rtems: PathBuf, bsp: Bsp) -> Self {
        let root = match bsp {
            Bsp::I386 => rtems.clone(),
            other => rtems.join(other.arch().name()),
        };
        Self {
            spec: root.join("spec"),
            source: root.join("source"),
            build: root.join("build"),
            programs: root.join("build").join(bsp.name()).join("testsuites"),
            results: root.join("results"),
            install: rtems.join("install"),
            lacking: root.join("lacking"),
            config: root.join("config.ini"),
            root,
        }
    }

    /// The installed BSP's libraries, linkcmds and headers.
    pub fn libraries(&self, location: &Location) -> PathBuf {
        self.install.join(location.target()).join(Bsp::FAMILY).join("lib")
    }
}
