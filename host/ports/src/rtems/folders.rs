// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the files of an RTEMS build are.

use std::path::PathBuf;

use paravirt_build::workspace::Workspace;

use super::version::Version;

/// The BSP, as RTEMS' configuration names it.
pub const BSP: &str = "i386/paravirt";

/// Folders below `target/rtems`.
#[derive(Clone, Debug)]
pub struct Folders {
    root: PathBuf,
}

impl Folders {
    /// Those of `workspace`.
    pub fn new(workspace: &Workspace) -> Self {
        Self {
            root: workspace.rtems(),
        }
    }

    /// Those below `root`.
    #[cfg(test)]
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// All of them.
    pub fn root(&self) -> PathBuf {
        self.root.clone()
    }

    /// Our build items, paths filled in.
    pub fn spec(&self) -> PathBuf {
        self.root.join("spec")
    }

    /// Links to RTEMS' sources and to ours: what waf sees as its source tree.
    pub fn source(&self) -> PathBuf {
        self.root.join("source")
    }

    /// What waf builds.
    pub fn build(&self) -> PathBuf {
        self.root.join("build")
    }

    /// RTEMS' programs, a folder for each group of tests.
    pub fn programs(&self) -> PathBuf {
        self.build().join(BSP).join("testsuites")
    }

    /// Tables of test results, and what each program printed.
    pub fn results(&self) -> PathBuf {
        self.root.join("results")
    }

    /// What waf installs.
    pub fn install(&self) -> PathBuf {
        self.root.join("install")
    }

    /// The installed BSP's libraries, linkcmds and headers.
    pub fn libraries(&self, version: Version) -> PathBuf {
        self.install()
            .join(version.target())
            .join(BSP.trim_start_matches("i386/"))
            .join("lib")
    }

    /// A prefix with what stands in for tools that the user does not have.
    pub fn lacking(&self) -> PathBuf {
        self.root.join("lacking")
    }

    /// The BSP's choices.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.ini")
    }
}
