// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where RTEMS is on this machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::folders::TARGET;

/// What to install, for those who have no RTEMS.
pub const WHAT_TO_INSTALL: &str = "\
RTEMS 6 is not here. It needs two folders and takes about an hour, once:
  tools:   git clone https://gitlab.rtems.org/rtems/tools/rtems-source-builder.git -b 6
           cd rtems-source-builder/rtems && ../source-builder/sb-set-builder --prefix=$HOME/rtems/6 6/rtems-i386
  source:  git clone https://gitlab.rtems.org/rtems/rtos/rtems.git -b 6 $HOME/rtems/src
Then: cargo xtask rtems --prefix $HOME/rtems/6 --source $HOME/rtems/src (or set RTEMS_PREFIX and RTEMS_SOURCE)";

/// The tools and the sources.
#[derive(Clone, Debug)]
pub struct Location {
    /// The folder whose `bin` holds `i386-rtems6-gcc`.
    pub prefix: PathBuf,
    /// The source tree of RTEMS 6.
    pub source: PathBuf,
}

impl Location {
    /// Takes both folders, made absolute, or nothing if one of them is not named.
    ///
    /// # Errors
    /// A folder is not what it is said to be.
    pub fn find(prefix: Option<&Path>, source: Option<&Path>) -> Result<Option<Self>> {
        let (Some(prefix), Some(source)) = (prefix, source) else {
            return Ok(None);
        };
        let location = Self {
            prefix: absolute(prefix)?,
            source: absolute(source)?,
        };
        let gcc = location.tool("gcc");
        if !gcc.is_file() {
            bail!(
                "{} is not there, so the prefix is not that of RTEMS' tools",
                gcc.display()
            );
        }
        let build_system = location.source.join("wscript");
        if !build_system.is_file() || !location.source.join("spec/build").is_dir() {
            bail!(
                "{} or spec/build beside it is not there, so the source is not RTEMS 6",
                build_system.display()
            );
        }
        Ok(Some(location))
    }

    /// A tool by its name without the architecture.
    pub fn tool(&self, name: &str) -> PathBuf {
        self.prefix.join("bin").join(format!("{TARGET}-{name}"))
    }
}

fn absolute(folder: &Path) -> Result<PathBuf> {
    folder
        .canonicalize()
        .with_context(|| format!("there is no folder {}", folder.display()))
}
