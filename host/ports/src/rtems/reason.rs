// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why tests of RTEMS do not pass, where that is known. A reason excuses nothing: it saves who reads a table the
//! search.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// The file with reasons, in the workspace.
pub const FILE: &str = "tests/rtems/exceptions.toml";

/// All of them.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reasons {
    #[serde(rename = "exception")]
    all: Vec<Reason>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    /// `group/test`; a `*` at the end stands for any rest.
    test: String,
    /// The host's name, if the reason is one of that host only.
    host: Option<String>,
    why: String,
}

impl Reasons {
    /// Reads [`FILE`].
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not understood", path.display()))
    }

    /// Those in a text like that of [`FILE`].
    pub fn parse(text: &str) -> Result<Self> {
        Ok(toml::from_str(text)?)
    }

    /// Why the test of that group does not pass on the host of that name; that host's own reasons go first.
    #[must_use]
    pub fn why(&self, host: &str, group: &str, test: &str) -> Option<&str> {
        let name = format!("{group}/{test}");
        let about = |of_host: Option<&str>| {
            let mut all = self.all.iter();
            all.find(|reason| reason.host.as_deref() == of_host && reason.is_about(&name))
        };
        let reason = about(Some(host)).or_else(|| about(None))?;
        Some(reason.why.trim())
    }
}

impl Reason {
    fn is_about(&self, test: &str) -> bool {
        match self.test.strip_suffix('*') {
            Some(begin) => test.starts_with(begin),
            None => self.test == test,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reasons(pattern: &str, more: &str) -> Reasons {
        Reasons::parse(&format!("[[exception]]\ntest = \"{pattern}\"\n{more}why = \"known\"\n"))
            .expect("as the file is written")
    }

    #[test]
    fn a_reason_is_about_one_test_or_all_that_begin_so() {
        let about = |pattern, test| reasons(pattern, "").why("any", "a", test).is_some();
        assert!(about("a/b", "b") && about("a/b*", "bc"));
        assert!(!about("a/b", "bc") && !about("a/b*", "c"));
    }

    #[test]
    fn a_reason_may_be_one_of_a_host() {
        let reasons = reasons("a/b", "host = \"here\"\n");
        assert_eq!(reasons.why("here", "a", "b"), Some("known"));
        assert_eq!(reasons.why("there", "a", "b"), None);
    }

    #[test]
    fn the_file_is_understood() {
        let workspace = paravirt_build::workspace::Workspace::find().expect("a checkout");
        let reasons = Reasons::read(&workspace.root().join(FILE)).expect("the file");
        assert!(reasons.why("process", "sptests", "spfatal26").is_some());
    }
}
