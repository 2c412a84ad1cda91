// SPDX-License-Identifier: MIT OR Apache-2.0
//! A list of values: one line each, in an order of its own.

use std::collections::BTreeSet;
use std::fmt;

/// The lines of a list, each once. The first words of a line say what it is about, the rest is the value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing(BTreeSet<String>);

impl Listing {
    /// Adds a line.
    ///
    /// # Panics
    /// If it is there already, or is more than one.
    pub fn add(&mut self, line: String) {
        assert!(!line.contains('\n'), "{line}");
        let fresh = self.0.insert(line.clone());
        assert!(fresh, "listed twice: {line}");
    }

    /// The lines, sorted.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Returns whether a line is there.
    #[must_use]
    pub fn contains(&self, line: &str) -> bool {
        self.0.contains(line)
    }

    /// What comes after these first words, in the one line that begins with them.
    #[must_use]
    pub fn value(&self, words: &str) -> Option<&str> {
        let start = format!("{words} ");
        self.lines().find_map(|line| line.strip_prefix(&start))
    }

    /// Reads what [`Listing`] prints. Empty lines, and those that begin with `#`, count for nothing.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty());
        Self(lines.filter(|line| !line.starts_with('#')).map(str::to_owned).collect())
    }

    /// What `self` has and `other` has not.
    #[must_use]
    pub fn without<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        self.0.difference(&other.0).map(String::as_str).collect()
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().try_for_each(|line| writeln!(f, "{line}"))
    }
}
