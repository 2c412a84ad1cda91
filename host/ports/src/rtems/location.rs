// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where RTEMS is on this machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::version::Version;

/// What to install, for those who have no RTEMS.
pub const WHAT_TO_INSTALL: &str = "\
RTEMS 6 is not here. It needs two folders and takes about an hour, once:
  tools:   git clone https://gitlab.rtems.org/rtems/tools/rtems-source-builder.git -b 6
           cd rtems-source-builder/rtems && ../source-builder/sb-set-builder --prefix=$HOME/rtems/6 6/rtems-i386
  source:  git clone https://gitlab.rtems.org/rtems/rtos/rtems.git -b 6 $HOME/rtems/src
Then: cargo xtask rtems --prefix $HOME/rtems/6 --source $HOME/rtems/src (or set RTEMS_PREFIX and RTEMS_SOURCE)";

/// The tools and the sources, of one version.
#[derive(Clone, Debug)]
pub struct Location {
    /// The folder whose `bin` holds the tools, as `i386-rtems6-gcc`.
    pub prefix: PathBuf,
    /// The source tree.
    pub source: PathBuf,
    /// The version of the sources, whose tools are used: a prefix may hold those of others too.
    pub version: Version,
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
        let (prefix, source) = (absolute(prefix)?, absolute(source)?);
        let build_system = source.join("wscript");
        if !build_system.is_file() || !source.join("spec/build").is_dir() {
            bail!(
                "{} or spec/build beside it is not there, so the source is not RTEMS 6 or later",
                build_system.display()
            );
        }
        let version = Version::of_sources(&source)?;
        let location = Self {
            prefix,
            source,
            version,
        };
        let gcc = location.tool("gcc");
        if !gcc.is_file() {
            bail!("{} is not there, {}", gcc.display(), location.whose_tools());
        }
        Ok(Some(location))
    }

    /// Says what is wrong with a prefix without the compiler of this version.
    fn whose_tools(&self) -> String {
        let found = Version::of_tools(&self.prefix.join("bin"));
        if found.is_empty() {
            return "so the prefix is not that of RTEMS' tools".to_owned();
        }
        let found: Vec<String> = found.iter().map(Version::to_string).collect();
        format!(
            "only the tools of {}; the sources in {} are {}: name tools and sources of one version",
            found.join(" and "),
            self.source.display(),
            self.version
        )
    }

    /// A tool by its name without the architecture.
    pub fn tool(&self, name: &str) -> PathBuf {
        let target = self.version.target();
        self.prefix.join("bin").join(format!("{target}-{name}"))
    }
}

fn absolute(folder: &Path) -> Result<PathBuf> {
    folder
        .canonicalize()
        .with_context(|| format!("there is no folder {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A prefix with compilers of these versions, and sources of that one.
    fn folders(tools: &[u32], sources: u32) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for path in ["prefix/bin", "source/spec/build"] {
            fs::create_dir_all(folder.path().join(path)).expect("a folder");
        }
        for version in tools {
            let gcc = format!("prefix/bin/i386-rtems{version}-gcc");
            fs::write(folder.path().join(gcc), "").expect("a file");
        }
        let script = format!("version = {{\n    \"__RTEMS_MAJOR__\": \"{sources}\",\n}}\n");
        fs::write(folder.path().join("source/wscript"), script).expect("a file");
        folder
    }

    fn find(tools: &[u32], sources: u32) -> Result<String, String> {
        let folder = folders(tools, sources);
        let [prefix, source] = ["prefix", "source"].map(|name| folder.path().join(name));
        let found = Location::find(Some(&prefix), Some(&source));
        let location = found.map_err(|error| format!("{error:#}"))?.expect("named");
        let gcc = location.tool("gcc");
        Ok(gcc.file_name().expect("a name").to_string_lossy().into_owned())
    }

    #[test]
    fn tools_are_those_of_the_version_of_the_sources() {
        assert_eq!(find(&[6], 6), Ok("i386-rtems6-gcc".to_owned()));
        assert_eq!(find(&[7], 7), Ok("i386-rtems7-gcc".to_owned()));
        assert_eq!(find(&[6, 7], 6), Ok("i386-rtems6-gcc".to_owned()));
        assert_eq!(find(&[6, 7], 7), Ok("i386-rtems7-gcc".to_owned()));
    }

    #[test]
    fn tools_of_another_version_are_told() {
        let why = find(&[6], 7).expect_err("no such tools");
        assert!(
            why.contains("i386-rtems7-gcc is not there, only the tools of RTEMS 6; "),
            "{why}"
        );
        assert!(why.contains("are RTEMS 7: name tools"), "{why}");
        let why = find(&[], 7).expect_err("no tools");
        assert!(why.contains("not that of RTEMS' tools"), "{why}");
    }
}
