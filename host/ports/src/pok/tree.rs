// SPDX-License-Identifier: MIT OR Apache-2.0
//! POK's source tree on this machine: the kernel as it is maintained, or the fork that has calls for interrupts.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use walkdir::WalkDir;

use paravirt_build::files;

/// What to fetch, for those who have no POK.
pub const WHAT_TO_INSTALL: &str = "\
POK is not here. It needs its source tree, `make`, and a C compiler for 32-bit x86 with its binutils:
  git clone https://github.com/pok-kernel/pok.git $HOME/pok
  apt-get install make gcc binutils qemu-system-x86     (Debian; gcc must take -m32, no 32-bit C library is needed)
Then: cargo xtask pok --tree $HOME/pok (or set POK_TREE); its fork with interrupts, github.com/phipse/pok.git, does as well
The tree stays as it is; what is built goes to target/pok.";

/// The folders of the tree that a kernel is built from.
const PARTS: [&str; 2] = ["kernel", "misc/mk"];

/// The tree.
#[derive(Clone, Debug)]
pub struct Tree {
    pub(super) folder: PathBuf,
    /// Which POK it is.
    pub kind: Kind,
}

/// The kernels that a guest with the backend `pok` runs on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// As it is maintained (pok-kernel/pok).
    Maintained,
    /// The fork with calls for interrupts (phipse/pok).
    Fork,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Maintained, Self::Fork];

    /// The port to QEMU that is built, in the makefiles' name. Only the fork has this one of its own.
    pub const fn bsp(self) -> &'static str {
        match self {
            Self::Maintained => "x86-qemu",
            Self::Fork => "x86-qemu-vmm",
        }
    }

    /// How a message names a node's kernel.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Maintained => "POK",
            Self::Fork => "POK's fork with interrupts",
        }
    }

    /// The kernel's linker script, in the tree.
    pub fn script(self) -> String {
        format!("misc/ldscripts/x86/{}/kernel.lds", self.bsp())
    }
}

impl Tree {
    /// Takes the folder, made absolute.
    ///
    /// # Errors
    /// It is not POK's tree.
    pub fn at(folder: &Path) -> Result<Self> {
        let folder = files::absolute("folder", folder)?;
        let kind = if folder.join(Kind::Fork.script()).is_file() {
            Kind::Fork
        } else {
            Kind::Maintained
        };
        for file in ["kernel/core/partition.c", &kind.script()] {
            let file = folder.join(file);
            ensure!(
                file.is_file(),
                "{} is not there, so the tree is not POK's",
                file.display()
            );
        }
        Ok(Self { folder, kind })
    }

    /// Copies what a kernel is built from. Files that an earlier build left in the tree stay behind: they were made for
    /// another configuration.
    pub(super) fn copy_to(&self, folder: &Path) -> Result<()> {
        let parts = PARTS.iter().map(|part| self.folder.join(part));
        for entry in parts.flat_map(|part| WalkDir::new(part).follow_links(true)) {
            let entry = entry.with_context(|| format!("cannot list {}", self.folder.display()))?;
            let (from, to) = (entry.path(), folder.join(entry.path().strip_prefix(&self.folder)?));
            if entry.file_type().is_dir() {
                fs::create_dir_all(&to).with_context(|| format!("cannot make {}", to.display()))?;
            } else if is_source(from) {
                fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
            }
        }
        Ok(())
    }
}

fn is_source(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let extension = path.extension().unwrap_or_default();
    name == "Makefile"
        || ["c", "h", "S", "mk"]
            .iter()
            .any(|&source| extension == source && name != "config.mk" && name != ".depend.mk")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_left_is_not_a_source() {
        for source in ["core/sched.c", "Makefile", "arch/x86/start_ap.S", "rules-kernel.mk"] {
            assert!(is_source(Path::new(source)), "{source}");
        }
        for other in ["sched.o", "core.lo", ".depend", ".depend.mk", "config.mk", "pok"] {
            assert!(!is_source(Path::new(other)), "{other}");
        }
    }
}
