// SPDX-License-Identifier: MIT OR Apache-2.0
//! POK's source tree on this machine.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// What to fetch, for those who have no POK.
pub const WHAT_TO_INSTALL: &str = "\
POK is not here. It needs its source tree, `make`, and a C compiler for 32-bit x86 with its binutils:
  git clone https://github.com/pok-kernel/pok.git $HOME/pok
  apt-get install make gcc binutils qemu-system-x86     (Debian; gcc must take -m32, no 32-bit C library is needed)
Then: cargo xtask pok --tree $HOME/pok (or set POK_TREE)
The tree stays as it is; what is built goes to target/pok.";

/// The folders of the tree that a kernel is built from.
const PARTS: [&str; 2] = ["kernel", "misc/mk"];
/// The kernel's linker script.
pub const KERNEL_SCRIPT: &str = "misc/ldscripts/x86/x86-qemu/kernel.lds";

/// The tree.
#[derive(Clone, Debug)]
pub struct Tree(PathBuf);

impl Tree {
    /// Takes the folder, made absolute.
    ///
    /// # Errors
    /// It is not POK's tree.
    pub fn at(folder: &Path) -> Result<Self> {
        let folder = folder
            .canonicalize()
            .with_context(|| format!("there is no folder {}", folder.display()))?;
        for file in ["kernel/core/partition.c", KERNEL_SCRIPT] {
            if !folder.join(file).is_file() {
                bail!(
                    "{} is not there, so the tree is not POK's",
                    folder.join(file).display()
                );
            }
        }
        Ok(Self(folder))
    }

    /// A file of it.
    pub fn file(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// Copies what a kernel is built from. Files that an earlier build left in the tree stay behind: they were made for
    /// another configuration.
    ///
    /// # Errors
    /// The file system's.
    pub fn copy_to(&self, folder: &Path) -> Result<()> {
        for part in PARTS {
            copy_sources(&self.0.join(part), &folder.join(part))?;
        }
        Ok(())
    }
}

fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    let entries = fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))?;
    for entry in entries {
        let path = entry?.path();
        let Some(name) = path.file_name() else {
            continue;
        };
        if path.is_dir() {
            copy_sources(&path, &to.join(name))?;
        } else if is_source(&path) {
            fs::copy(&path, to.join(name))
                .with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
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
        for source in [
            "core/sched.c",
            "Makefile",
            "arch/x86/start_ap.S",
            "rules-kernel.mk",
        ] {
            assert!(is_source(Path::new(source)), "{source}");
        }
        for other in [
            "sched.o",
            "core.lo",
            ".depend",
            ".depend.mk",
            "config.mk",
            "pok",
        ] {
            assert!(!is_source(Path::new(other)), "{other}");
        }
    }
}
