// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two hosts' results beside each other, in Markdown: the number of tests by group, then each test that fails on one or is skipped
//! on one alone, with the reason where one is known.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::results::is_same_test;
use super::suite::Entry;
use super::verdict::Verdict;

/// The file with reasons, in the workspace.
pub const REASONS: &str = "tests/rtems/exceptions.toml";

/// Why a test does not pass.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// `group/test`; a `*` at the end stands for any rest.
    pub test: String,
    /// The reason.
    pub why: String,
}

impl Reason {
    fn is_about(&self, test: &str) -> bool {
        match self.test.strip_suffix('*') {
            Some(begin) => test.starts_with(begin),
            None => self.test == test,
        }
    }
}

/// Reads [`REASONS`].
///
/// # Errors
/// The file is not there or not understood.
pub fn reasons(path: &Path) -> Result<Vec<Reason>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        exception: Vec<Reason>,
    }
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file: File =
        toml::from_str(&text).with_context(|| format!("{} is not understood", path.display()))?;
    Ok(file.exception)
}

/// One host's name and results.
pub type Column<'a> = (&'a str, &'a [Entry]);

/// The two tables.
pub fn tables(columns: [Column<'_>; 2], reasons: &[Reason]) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "| group | {} | {} |", columns[0].0, columns[1].0);
    text.push_str("|---|---|---|\n");
    let groups: BTreeSet<&str> = columns
        .iter()
        .flat_map(|(_, entries)| entries.iter().map(|entry| entry.group.as_str()))
        .collect();
    for group in groups {
        let [left, right] = columns.map(|(_, entries)| counts(entries, group));
        let _ = writeln!(text, "| {group} | {left} | {right} |");
    }

    let _ = writeln!(
        text,
        "\n| test | {} | {} | reason |\n|---|---|---|---|",
        columns[0].0, columns[1].0
    );
    let mut tests: Vec<&Entry> = Vec::new();
    for (_, entries) in columns {
        for entry in entries {
            if is_remarkable(columns, entry) && !tests.iter().any(|old| is_same_test(old, entry)) {
                tests.push(entry);
            }
        }
    }
    tests.sort_by(|a, b| (&a.group, &a.test).cmp(&(&b.group, &b.test)));
    for test in tests {
        let name = format!("{}/{}", test.group, test.test);
        let [left, right] = columns.map(|(_, entries)| result(entries, test));
        let why = reasons
            .iter()
            .find(|reason| reason.is_about(&name))
            .map_or("", |reason| &reason.why);
        let _ = writeln!(text, "| {name} | {left} | {right} | {} |", why.trim());
    }
    text
}

/// Whether a test fails somewhere, or is skipped on one host alone. One that did not run is not remarkable.
fn is_remarkable(columns: [Column<'_>; 2], test: &Entry) -> bool {
    let verdicts: Vec<&Verdict> = columns
        .iter()
        .filter_map(|(_, entries)| entries.iter().find(|entry| is_same_test(entry, test)))
        .map(|entry| &entry.verdict)
        .collect();
    let failed = verdicts
        .iter()
        .any(|verdict| matches!(verdict, Verdict::Failed(_)));
    let skipped = verdicts
        .iter()
        .filter(|verdict| matches!(verdict, Verdict::Skipped(_)))
        .count();
    failed || (skipped == 1 && verdicts.len() == 2)
}

/// The results of a group in words.
fn counts(entries: &[Entry], group: &str) -> String {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for entry in entries.iter().filter(|entry| entry.group == group) {
        match entry.verdict {
            Verdict::Passed(_) => passed += 1,
            Verdict::Failed(_) => failed += 1,
            Verdict::Skipped(_) => skipped += 1,
        }
    }
    if passed + failed + skipped == 0 {
        return "not run".to_owned();
    }
    format!("{passed} passed, {failed} failed, {skipped} skipped")
}

/// A test's result in words.
fn result(entries: &[Entry], test: &Entry) -> String {
    let Some(entry) = entries.iter().find(|entry| is_same_test(entry, test)) else {
        return "not run".to_owned();
    };
    let note = entry.verdict.note();
    match &entry.verdict {
        Verdict::Failed(_) => note.to_owned(),
        _ if note.is_empty() => entry.verdict.name().to_owned(),
        _ => format!("{}: {note}", entry.verdict.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtems::output::State;

    fn entry(test: &str, verdict: Verdict) -> Entry {
        Entry {
            group: "sptests".to_owned(),
            test: test.to_owned(),
            state: State::ExpectedPass,
            verdict,
            seconds: 0.25,
        }
    }

    #[test]
    fn only_what_fails_or_differs_has_a_line() {
        let passed = || Verdict::Passed(String::new());
        let skipped = || Verdict::Skipped("why".to_owned());
        let here = [
            entry("sp01", passed()),
            entry("sp02", Verdict::Failed("timeout".to_owned())),
            entry("sp03", skipped()),
            entry("sp04", skipped()),
        ];
        let there = [
            entry("sp01", passed()),
            entry("sp02", passed()),
            entry("sp03", skipped()),
            entry("sp04", passed()),
            entry("sp05", skipped()),
        ];
        let reason = Reason {
            test: "sptests/sp0*".to_owned(),
            why: "jitter".to_owned(),
        };
        assert_eq!(
            tables([("here", &here), ("there", &there)], &[reason]),
            "| group | here | there |\n|---|---|---|\n\
             | sptests | 1 passed, 1 failed, 2 skipped | 3 passed, 0 failed, 2 skipped |\n\n\
             | test | here | there | reason |\n|---|---|---|---|\n\
             | sptests/sp02 | timeout | passed | jitter |\n\
             | sptests/sp04 | skipped: why | passed | jitter |\n"
        );
    }

    #[test]
    fn a_reason_is_about_one_test_or_all_that_begin_so() {
        let about = |pattern: &str, test| {
            Reason {
                test: pattern.to_owned(),
                why: String::new(),
            }
            .is_about(test)
        };
        assert!(about("a/b", "a/b") && about("a/b*", "a/bc"));
        assert!(!about("a/b", "a/bc") && !about("a/b*", "a/c"));
    }
}
