// SPDX-License-Identifier: MIT OR Apache-2.0
//! Why tests do not pass, where that is known. A reason excuses nothing: it saves who reads a table the search.

use serde::Deserialize;

use crate::text::{Escaped, beginning};

/// Most bytes of a text with reasons; one in memory takes 80 times as much.
const LARGEST: usize = 1 << 20;

/// A text that does not say reasons; the message says why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReasonsError(String);

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
    /// Those in a text in TOML, a table for each:
    ///
    /// ```
    /// let reasons = pvhost::testing::Reasons::parse(
    ///     r#"
    ///     [[exception]]
    ///     test = "sptests/spintr*"   # a `*` at the end stands for any rest
    ///     host = "process"           # on that host only; may be left out
    ///     why = "waits for a tick within a few instructions"
    ///     "#,
    /// )?;
    /// assert!(reasons.why("process", "sptests", "spintrcritical01").is_some());
    /// # Ok::<(), pvhost::testing::ReasonsError>(())
    /// ```
    ///
    /// # Errors
    /// It is no such text; what is wrong, and in which line.
    pub fn parse(text: &str) -> Result<Self, ReasonsError> {
        if text.len() > LARGEST {
            return Err(ReasonsError(format!(
                "more than {LARGEST} bytes, which no list of reasons has"
            )));
        }
        toml::from_str(text).map_err(|error: toml::de::Error| {
            let before = error
                .span()
                .and_then(|place| text.get(..place.start))
                .unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            ReasonsError(format!("line {line}: {}", Escaped(beginning(error.message()))))
        })
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
    fn what_is_not_understood_is_named_with_its_line() {
        for (text, part) in [
            ("[[exception]]\ntest = \"a/b\"\n", "why"),
            ("[[exception]]\ntset = \"a/b\"\nwhy = \"\"\n", "line 2"),
            ("", "exception"),
        ] {
            let error = Reasons::parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
