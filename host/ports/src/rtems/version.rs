// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which RTEMS this is: its tools and installed folders have the version in their names, and its programs print it.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use paravirt_build::command;

/// What RTEMS' build system reads the version of a release from.
pub const FILE: &str = "VERSION";
/// The build system's script, with the version of everything else.
const SCRIPT: &str = "wscript";
/// Those with which this layer was tried.
const TRIED: [u32; 2] = [6, 7];

/// RTEMS' major version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RTEMS {}", self.0)
    }
}

impl Version {
    /// That of a source tree: what it says is what its build system looks for.
    ///
    /// # Errors
    /// It does not say.
    pub fn of_sources(source: &Path) -> Result<Self> {
        let released = fs::read_to_string(source.join(FILE)).ok();
        if let Some(version) = released.as_deref().and_then(of_release) {
            return Ok(version);
        }
        let script = source.join(SCRIPT);
        let text = fs::read_to_string(&script).with_context(|| format!("cannot read {}", script.display()))?;
        of_script(&text).with_context(|| format!("{} does not say which version of RTEMS this is", script.display()))
    }

    /// Those whose tools for i386 are in that folder, ascending.
    #[must_use]
    pub fn of_tools(bin: &Path) -> Vec<Self> {
        let mut found: Vec<Self> = fs::read_dir(bin)
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let name = entry.ok()?.file_name().into_string().ok()?;
                let number = name.strip_prefix("i386-rtems")?.strip_suffix("-gcc")?;
                number.parse().ok().map(Self)
            })
            .collect();
        found.sort_unstable();
        found
    }

    /// RTEMS' name of the architecture in this version, as in `i386-rtems6-gcc`.
    #[must_use]
    pub fn target(self) -> String {
        format!("i386-rtems{}", self.0)
    }

    /// Returns whether this layer was tried with it.
    #[must_use]
    pub fn is_tried(self) -> bool {
        TRIED.contains(&self.0)
    }
}

/// The major version in a release's [`FILE`]: a line `revision = 6.1`, or `6.0-` and a commit.
fn of_release(text: &str) -> Option<Version> {
    let revision = text.lines().find_map(|line| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == "revision").then_some(value.trim())
    })?;
    let (major, _) = revision.split_once('.')?;
    major.parse().ok().map(Version)
}

/// The major version in [`SCRIPT`]: a line `"__RTEMS_MAJOR__": "6",`.
fn of_script(text: &str) -> Option<Version> {
    let (_, rest) = text.split_once("\"__RTEMS_MAJOR__\":")?;
    let major = rest.split('"').nth(1)?;
    major.parse().ok().map(Version)
}

/// The content of [`FILE`] for the tree of links: that of a released `source`, else one made from its repository, which
/// the build system cannot see from the tree of links. Nothing if it is neither.
///
/// # Errors
/// The file system's.
pub fn describe(source: &Path, version: Version) -> Result<Option<String>> {
    let released = source.join(FILE);
    if released.is_file() {
        return Ok(Some(fs::read_to_string(released)?));
    }
    let git = |arguments: &[&str]| command::output(Command::new("git").arg("-C").arg(source).args(arguments));
    let Ok(commit) = git(&["rev-parse", "HEAD"]) else {
        return Ok(None);
    };
    let modified = git(&["ls-files", "--modified"]).is_ok_and(|files| !files.is_empty());
    Ok(Some(format!(
        "[version]\nrevision = {}.0-{}{}\n",
        version.0,
        commit.trim(),
        if modified { "-modified" } else { "" }
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_and_a_release_say_the_version() {
        let script = "version = {\n    \"__RTEMS_MAJOR__\": \"7\",  # version\n    \"__RTEMS_MINOR__\": \"0\",\n}\n";
        assert_eq!(of_script(script), Some(Version(7)));
        assert_eq!(of_script("version = {}"), None);
        assert_eq!(of_release("[version]\nrevision = 6.1\n"), Some(Version(6)));
        assert_eq!(of_release("[version]\nrevision=6.0-2be19a2\n"), Some(Version(6)));
        assert_eq!(of_release("[version]\n"), None);
    }
}
