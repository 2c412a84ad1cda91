// SPDX-License-Identifier: MIT OR Apache-2.0
//! Two hosts' results beside each other, in Markdown: the number of tests by group, then each test that fails on one or
//! is skipped on one alone, with the reason where one is known.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::reason::Reasons;
use super::results::is_same_test;
use super::suite::Entry;
use super::verdict::Verdict;

/// One host's name and results.
pub type Column<'a> = (&'a str, &'a [Entry]);

/// The two tables.
pub fn tables(columns: [Column<'_>; 2], reasons: &Reasons) -> String {
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
        let why = columns
            .iter()
            .find_map(|(host, _)| reasons.why(host, &test.group, &test.test))
            .unwrap_or_default();
        let _ = writeln!(text, "| {name} | {left} | {right} | {why} |");
    }
    text
}

/// Returns whether a test fails somewhere, or is skipped on one host alone. One that did not run is not remarkable.
fn is_remarkable(columns: [Column<'_>; 2], test: &Entry) -> bool {
    let verdicts: Vec<&Verdict> = columns
        .iter()
        .filter_map(|(_, entries)| entries.iter().find(|entry| is_same_test(entry, test)))
        .map(|entry| &entry.verdict)
        .collect();
    let failed = verdicts.iter().any(|verdict| matches!(verdict, Verdict::Failed(_)));
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
            reason: None,
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
        let reasons = "[[exception]]\ntest = \"sptests/sp0*\"\nwhy = \"jitter\"\n";
        let reasons = Reasons::parse(reasons).expect("as the file is written");
        assert_eq!(
            tables([("here", &here), ("there", &there)], &reasons),
            "| group | here | there |\n|---|---|---|\n\
             | sptests | 1 passed, 1 failed, 2 skipped | 3 passed, 0 failed, 2 skipped |\n\n\
             | test | here | there | reason |\n|---|---|---|---|\n\
             | sptests/sp02 | timeout | passed | jitter |\n\
             | sptests/sp04 | skipped: why | passed | jitter |\n"
        );
    }
}
