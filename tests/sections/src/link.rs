// SPDX-License-Identifier: MIT OR Apache-2.0
//! Linking.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::arch::Arch;
use crate::{fixture, tools, workspace};

/// A linker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linker {
    /// GNU ld.
    Gnu,
    /// lld.
    Lld,
}

impl Linker {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Gnu, Self::Lld];

    /// The program that links images for `arch`.
    #[must_use]
    pub const fn program(self, arch: Arch) -> &'static str {
        match self {
            Self::Gnu => arch.gnu_ld(),
            Self::Lld => "ld.lld",
        }
    }

    /// The argument by which a compiler links with it.
    #[must_use]
    pub const fn argument(self) -> &'static str {
        match self {
            Self::Gnu => "-fuse-ld=bfd",
            Self::Lld => "-fuse-ld=lld",
        }
    }

    /// The command that links for `arch`, with the fragment in the search path.
    #[must_use]
    pub fn command(self, arch: Arch) -> Command {
        let mut command = Command::new(self.program(arch));
        command.args(["-static", "-L"]).arg(workspace().join("linkcmds"));
        command
    }

    /// Links `objects` to an image in `folder` by a small script around the fragment that suits every architecture.
    ///
    /// # Errors
    /// The linker's messages.
    pub fn link<O: AsRef<OsStr>>(
        self,
        arch: Arch,
        objects: &[O],
        folder: &Path,
        flags: &[&str],
    ) -> Result<PathBuf, String> {
        self.link_by(arch, &fixture("any.ld"), objects, folder, flags)
    }

    /// Links `objects` to an image in `folder` by `script`.
    ///
    /// # Errors
    /// The linker's messages.
    pub fn link_by<O: AsRef<OsStr>>(
        self,
        arch: Arch,
        script: &Path,
        objects: &[O],
        folder: &Path,
        flags: &[&str],
    ) -> Result<PathBuf, String> {
        let image = folder.join("image");
        tools::run(
            self.command(arch)
                .args(flags)
                .arg("-T")
                .arg(script)
                .args(objects)
                .arg("-o")
                .arg(&image),
        )?;
        Ok(image)
    }
}
