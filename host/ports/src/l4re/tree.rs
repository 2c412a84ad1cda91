// SPDX-License-Identifier: MIT OR Apache-2.0
//! L4Re and Fiasco on this machine: the folders in which a user has built them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use paravirt_build::arch::Arch;
use paravirt_build::files;

/// What to build, for those who have no L4Re.
pub const WHAT_TO_INSTALL: &str = "\
L4Re is not here. It needs the folders in which L4Re and the Fiasco microkernel were built, both for x86-32 or both \
for amd64:
  L4Re:    with the packages l4re-core, bootstrap, drivers-frst, libvcpu; for virtual buses io and acpica
  Fiasco:  with the options SYNC_CLOCK and ONE_SHOT_PARAM
host/l4re/README.md has the commands that make both.
Then: cargo xtask l4re --tree L4RE_BUILD --fiasco FIASCO_BUILD (or set L4RE_TREE and L4RE_FIASCO)
Both stay as they are; what is built goes to target/l4re.";

/// Both.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The folder in which L4Re was built.
    pub build: PathBuf,
    /// L4Re's sources.
    pub source: PathBuf,
    /// The folder in which Fiasco was built.
    pub fiasco: PathBuf,
    /// Whose guests run there.
    pub arch: Arch,
}

impl Tree {
    /// Takes both folders, made absolute.
    ///
    /// # Errors
    /// A folder is not what it is said to be.
    pub fn at(build: &Path, fiasco: &Path) -> Result<Self> {
        let (build, fiasco) = (files::absolute("folder", build)?, files::absolute("folder", fiasco)?);
        let source = files::absolute("folder", &build.join("source"))
            .with_context(|| format!("L4Re was not built in {}", build.display()))?;
        for (file, so) in [
            (source.join("mk/prog.mk"), "the folder is not L4Re's"),
            (fiasco.join("fiasco"), "Fiasco was not built"),
        ] {
            ensure!(file.is_file(), "{} is not there, so {so}", file.display());
        }
        let config = build.join(".config.all");
        let config = fs::read_to_string(&config).with_context(|| format!("cannot read {}", config.display()))?;
        let arch = arch(&config).with_context(|| format!("{} is neither for x86-32 nor for amd64", build.display()))?;
        Ok(Self {
            build,
            source,
            fiasco,
            arch,
        })
    }

    /// Returns whether the package io was built: the server that makes virtual buses, and the library to use them.
    pub fn has_io(&self) -> bool {
        let folders = fs::read_dir(self.build.join("bin"));
        let mut folders = folders.into_iter().flatten().flatten();
        self.build.join("pc/libio-vbus.pc").is_file() && folders.any(|folder| folder.path().join("l4f/io").is_file())
    }

    /// Its architecture's name in L4Re.
    pub const fn name(&self) -> &'static str {
        match self.arch {
            Arch::I386 => "x86",
            _ => "amd64",
        }
    }
}

fn arch(config: &str) -> Option<Arch> {
    config.lines().find_map(|line| match line {
        "CONFIG_BUILD_ARCH_x86=y" => Some(Arch::I386),
        "CONFIG_BUILD_ARCH_amd64=y" => Some(Arch::X86_64),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_names_the_architecture() {
        assert_eq!(arch("CONFIG_X=y\nCONFIG_BUILD_ARCH_x86=y\n"), Some(Arch::I386));
        assert_eq!(arch("CONFIG_BUILD_ARCH_amd64=y"), Some(Arch::X86_64));
        assert_eq!(arch("# CONFIG_BUILD_ARCH_x86 is not set"), None);
    }
}
