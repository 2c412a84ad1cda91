// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where RTEMS is on this machine, and which: its tools and installed folders have the version in their names, and its
//! programs print it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::bsp::Bsp;
use paravirt_build::command;
use paravirt_build::files;

/// What to install, for those who have no RTEMS.
pub fn what_to_install(bsp: Bsp) -> String {
    let option = match bsp {
        Bsp::I386 => String::new(),
        other => format!("--bsp {} ", other.name()),
    };
    format!(
        "\
RTEMS 6 is not here. It needs two folders and takes about an hour, once:
  tools:   git clone https://gitlab.rtems.org/rtems/tools/rtems-source-builder.git -b 6
           cd rtems-source-builder/rtems && ../source-builder/sb-set-builder --prefix=$HOME/rtems/6 6/rtems-{}
  source:  git clone https://gitlab.rtems.org/rtems/rtos/rtems.git -b 6 $HOME/rtems/src
Then: cargo xtask rtems {option}--prefix $HOME/rtems/6 --source $HOME/rtems/src (or set RTEMS_PREFIX and RTEMS_SOURCE)",
        bsp.arch()
    )
}

/// The tools and the sources, of one version, and the BSP that is built with them.
#[derive(Clone, Debug)]
pub struct Location {
    /// The BSP, whose processor the tools are for.
    pub bsp: Bsp,
    /// The folder whose `bin` holds the tools, as `i386-rtems6-gcc`.
    pub prefix: PathBuf,
    /// The source tree.
    pub source: PathBuf,
    /// The major version of the sources, whose tools are used: a prefix may hold those of others too.
    pub version: u32,
}

impl Location {
    /// Takes both folders, made absolute.
    ///
    /// # Errors
    /// A folder is not what it is said to be.
    pub fn at(prefix: &Path, source: &Path, bsp: Bsp) -> Result<Self> {
        let (prefix, source) = (files::absolute("folder", prefix)?, files::absolute("folder", source)?);
        let build_system = source.join(SCRIPT);
        ensure!(
            build_system.is_file() && source.join("spec/build").is_dir(),
            "{} or spec/build beside it is not there, so the source is not RTEMS 6 or later",
            build_system.display()
        );
        let location = Self {
            bsp,
            version: version_of_sources(&source)?,
            prefix,
            source,
        };
        let gcc = location.tool("gcc");
        ensure!(
            gcc.is_file(),
            "{} is not there, {}",
            gcc.display(),
            location.whose_tools()
        );
        Ok(location)
    }

    /// Says what is wrong with a prefix without the compiler of this version.
    fn whose_tools(&self) -> String {
        let found = versions_of_tools(&self.prefix.join("bin"), self.bsp);
        if found.is_empty() {
            return format!("so the prefix is not that of RTEMS' tools for {}", self.bsp.arch());
        }
        let found: Vec<String> = found.iter().map(|version| format!("RTEMS {version}")).collect();
        format!(
            "only the tools of {}; the sources in {} are RTEMS {}: name tools and sources of one version",
            found.join(" and "),
            self.source.display(),
            self.version
        )
    }

    /// RTEMS' name of the architecture in this version, as in `i386-rtems6-gcc`.
    pub fn target(&self) -> String {
        format!("{}-rtems{}", self.bsp.arch(), self.version)
    }

    /// A tool by its name without the architecture.
    pub fn tool(&self, name: &str) -> PathBuf {
        self.prefix.join("bin").join(format!("{}-{name}", self.target()))
    }

    /// The content of [`VERSION_FILE`] for the tree of links: that of a release, else one made from the repository,
    /// which the build system cannot see from the tree of links. Nothing if the source is neither.
    pub(super) fn version_file(&self) -> Result<Option<String>> {
        let released = self.source.join(VERSION_FILE);
        if released.is_file() {
            return Ok(Some(fs::read_to_string(released)?));
        }
        let git = |arguments: &[&str]| command::output(Command::new("git").arg("-C").arg(&self.source).args(arguments));
        let Ok(commit) = git(&["rev-parse", "HEAD"]) else {
            return Ok(None);
        };
        let modified = git(&["ls-files", "--modified"]).is_ok_and(|files| !files.is_empty());
        Ok(Some(format!(
            "[version]\nrevision = {}.0-{}{}\n",
            self.version,
            commit.trim(),
            if modified { "-modified" } else { "" }
        )))
    }
}

/// What RTEMS' build system reads the version of a release from.
pub const VERSION_FILE: &str = "VERSION";
/// The build system's script, with the version of everything else.
const SCRIPT: &str = "wscript";
/// Those with which this layer was tried.
pub const TRIED: [u32; 2] = [6, 7];

/// The major version of a source tree: what it says is what its build system looks for.
fn version_of_sources(source: &Path) -> Result<u32> {
    let released = fs::read_to_string(source.join(VERSION_FILE)).ok();
    if let Some(version) = released.as_deref().and_then(of_release) {
        return Ok(version);
    }
    let script = source.join(SCRIPT);
    let text = fs::read_to_string(&script).with_context(|| format!("cannot read {}", script.display()))?;
    of_script(&text).with_context(|| format!("{} does not say which version of RTEMS this is", script.display()))
}

/// The major versions whose tools for the processor of `bsp` are in that folder, ascending.
fn versions_of_tools(bin: &Path, bsp: Bsp) -> Vec<u32> {
    let prefix = format!("{}-rtems", bsp.arch());
    let files = fs::read_dir(bin).into_iter().flatten().flatten();
    let mut found: Vec<u32> = files
        .filter_map(|file| {
            let name = file.file_name().into_string().ok()?;
            name.strip_prefix(&*prefix)?.strip_suffix("-gcc")?.parse().ok()
        })
        .collect();
    found.sort_unstable();
    found
}

/// The major version in a release's [`VERSION_FILE`]: a line `revision = 6.1`, or `6.0-` and a commit.
fn of_release(text: &str) -> Option<u32> {
    let revision = text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == "revision").then_some(value.trim())
    })?;
    let (major, _) = revision.split_once('.')?;
    major.parse().ok()
}

/// The major version in [`SCRIPT`]: a line `"__RTEMS_MAJOR__": "6",`.
fn of_script(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("\"__RTEMS_MAJOR__\":")?;
    let major = rest.split('"').nth(1)?;
    major.parse().ok()
}

#[cfg(test)]
mod tests {
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
        let location = Location::at(&prefix, &source, Bsp::I386).map_err(|error| format!("{error:#}"))?;
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
        assert!(why.contains("not that of RTEMS' tools for i386"), "{why}");
    }

    #[test]
    fn the_script_and_a_release_say_the_version() {
        let script = "version = {\n    \"__RTEMS_MAJOR__\": \"7\",  # version\n    \"__RTEMS_MINOR__\": \"0\",\n}\n";
        assert_eq!(of_script(script), Some(7));
        assert_eq!(of_script("version = {}"), None);
        assert_eq!(of_release("[version]\nrevision = 6.1\n"), Some(6));
        assert_eq!(of_release("[version]\nrevision=6.0-2be19a2\n"), Some(6));
        assert_eq!(of_release("[version]\n"), None);
    }
}
