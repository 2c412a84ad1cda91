// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tables of results, for people and for programs, and those of two hosts beside each other.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::bsp::Bsp;
use paravirt_build::files::write_if_changed;
use paravirt_build::tally::Tally;
use paravirt_build::workspace::Workspace;
use pvhost::testing::{Outcome, Reasons, State, Verdict};

/// The file with reasons why tests of `bsp` do not pass, in the workspace.
const fn file_of_reasons(bsp: Bsp) -> &'static str {
    match bsp {
        Bsp::I386 => "tests/rtems/exceptions.toml",
        Bsp::Aarch64 => "tests/rtems/exceptions-aarch64.toml",
    }
}

/// Reads them.
pub fn reasons(workspace: &Workspace, bsp: Bsp) -> Result<Reasons> {
    let file = file_of_reasons(bsp);
    let path = workspace.root().join(file);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {file}"))?;
    Reasons::parse(&text).with_context(|| format!("{file} is not understood"))
}

/// A line of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The folder in `testsuites`.
    pub group: String,
    /// The program.
    pub test: String,
    /// What RTEMS expects of it.
    pub state: State,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Why it did not pass, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long it ran.
    pub seconds: f64,
}

impl Entry {
    /// That of a test that ran on that host.
    pub fn new(outcome: &Outcome, host: &str, reasons: &Reasons) -> Self {
        let (test, verdict) = (&outcome.test, &outcome.verdict);
        let reason = reasons
            .why(host, &test.group, &test.name)
            .filter(|_| !verdict.is_passed());
        Self {
            group: test.group.clone(),
            test: test.name.clone(),
            state: outcome.state,
            verdict: verdict.clone(),
            reason: reason.map(str::to_owned),
            seconds: (outcome.time().as_secs_f64() * 100.0).round() / 100.0,
        }
    }

    /// The test's name with its group.
    pub fn name(&self) -> String {
        format!("{}/{}", self.group, self.test)
    }

    /// Returns whether another is about the same test.
    pub fn is_same_test(&self, other: &Self) -> bool {
        self.group == other.group && self.test == other.test
    }

    /// What the verdict notes, and the reason.
    pub fn note(&self) -> String {
        let note = self.verdict.note();
        match &self.reason {
            Some(reason) => format!("{note}; known: {reason}"),
            None => note.to_owned(),
        }
    }
}

/// What the file for programs holds.
#[derive(Serialize, Deserialize)]
struct Results {
    host: String,
    tests: Vec<Entry>,
}

/// What [`add`] left in `folder` for a host; empty if there is nothing.
pub fn read(folder: &Path, host: &str) -> Result<Vec<Entry>> {
    let path = folder.join(format!("{host}.json"));
    let Ok(text) = fs::read_to_string(&path) else {
        return Ok(Vec::new());
    };
    let results: Results =
        serde_json::from_str(&text).with_context(|| format!("{} is not understood; remove it", path.display()))?;
    Ok(results.tests)
}

/// Writes `<folder>/<host>.txt` and `.json` with `entries` and what is there of tests that `entries` does not name;
/// returns their paths.
pub fn add(folder: &Path, host: &str, entries: &[Entry]) -> Result<[PathBuf; 2]> {
    let mut tests = read(folder, host)?;
    tests.retain(|old| !entries.iter().any(|new| old.is_same_test(new)));
    tests.extend_from_slice(entries);
    tests.sort_by(|a, b| (&a.group, &a.test).cmp(&(&b.group, &b.test)));
    let text = folder.join(format!("{host}.txt"));
    let json = folder.join(format!("{host}.json"));
    write_if_changed(&text, table(&tests).as_bytes())?;
    let results = Results {
        host: host.to_owned(),
        tests,
    };
    write_if_changed(&json, serde_json::to_string_pretty(&results)?.as_bytes())?;
    Ok([text, json])
}

/// Tests in `entries` that did not pass, but passed in one of the results with the names `references`, from the files
/// that [`add`] left there. Nothing without these files.
pub fn worse_than(folder: &Path, references: &[String], entries: &[Entry]) -> Result<Vec<String>> {
    let references = references.iter().map(|name| read(folder, name));
    let references = references.collect::<Result<Vec<_>>>()?;
    let passed_there = |entry: &Entry| {
        let mut there = references.iter().filter_map(|reference| find(reference, entry));
        there.any(|there| there.verdict.is_passed())
    };
    Ok(entries
        .iter()
        .filter(|entry| !entry.verdict.is_passed() && passed_there(entry))
        .map(|entry| format!("{}: {}", entry.name(), entry.verdict.note()))
        .collect())
}

fn find<'a>(entries: &'a [Entry], test: &Entry) -> Option<&'a Entry> {
    entries.iter().find(|entry| entry.is_same_test(test))
}

/// A line for each test.
pub fn table(entries: &[Entry]) -> String {
    let width = |text: fn(&Entry) -> &str| entries.iter().map(|entry| text(entry).len()).max().unwrap_or(0).max(5);
    let group = width(|entry| &entry.group);
    let test = width(|entry| &entry.test);
    let mut table = format!(
        "{:group$}  {:test$}  {:13}  {:7}  {:>7}  note\n",
        "group", "test", "state", "result", "seconds"
    );
    for entry in entries {
        let line = format!(
            "{:group$}  {:test$}  {:13}  {:7}  {:7.2}  {}",
            entry.group,
            entry.test,
            entry.state.name(),
            entry.verdict.name(),
            entry.seconds,
            entry.note()
        );
        let _ = writeln!(table, "{}", line.trim_end());
    }
    table
}

/// How many of each result.
pub fn tally<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Tally {
    let mut tally = Tally::default();
    for entry in entries {
        match &entry.verdict {
            Verdict::Passed(_) => tally.passed += 1,
            Verdict::Failed(_) | Verdict::NotRun(_) => tally.failed.push(format!("{}: {}", entry.name(), entry.note())),
            Verdict::Skipped(_) => tally.skipped += 1,
        }
    }
    tally
}

/// Two hosts' results beside each other, in Markdown: the number of tests by group, then each test that fails on one or
/// is skipped on one alone, with the reason where one is known. A column is a host's name and results.
pub fn side_by_side(columns: [(&str, &[Entry]); 2], reasons: &Reasons) -> String {
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
    let mut tests: Vec<&Entry> = columns.iter().flat_map(|(_, entries)| *entries).collect();
    tests.retain(|test| is_remarkable(columns, test));
    tests.sort_by_key(|test| (&test.group, &test.test));
    tests.dedup_by(|a, b| a.is_same_test(b));
    for test in tests {
        let [left, right] = columns.map(|(_, entries)| result(entries, test));
        let why = columns
            .iter()
            .find_map(|(host, _)| reasons.why(host, &test.group, &test.test))
            .unwrap_or_default();
        let _ = writeln!(text, "| {} | {left} | {right} | {why} |", test.name());
    }
    text
}

/// Returns whether a test fails somewhere, or is skipped on one host alone. One that did not run is not remarkable.
fn is_remarkable(columns: [(&str, &[Entry]); 2], test: &Entry) -> bool {
    let found = columns.map(|(_, entries)| find(entries, test).map(|entry| &entry.verdict));
    let failed = found
        .iter()
        .flatten()
        .any(|verdict| matches!(verdict, Verdict::Failed(_)));
    let skipped = found.map(|verdict| verdict.map(|verdict| matches!(verdict, Verdict::Skipped(_))));
    failed || matches!(skipped, [Some(one), Some(other)] if one != other)
}

/// The results of a group in words.
fn counts(entries: &[Entry], group: &str) -> String {
    match tally(entries.iter().filter(|entry| entry.group == group)) {
        none if none == Tally::default() => "not run".to_owned(),
        tally => tally.to_string(),
    }
}

/// A test's result in words.
fn result(entries: &[Entry], test: &Entry) -> String {
    let Some(entry) = find(entries, test) else {
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
    fn the_table_has_a_line_for_each_test() {
        let mut entries = [
            entry("sp01", Verdict::Passed(String::new())),
            entry("spfatal26", Verdict::Failed("guest fault".to_owned())),
        ];
        entries[1].reason = Some("its bytes are no fault".to_owned());
        assert_eq!(
            table(&entries),
            "group    test       state          result   seconds  note\n\
             sptests  sp01       EXPECTED_PASS  passed      0.25\n\
             sptests  spfatal26  EXPECTED_PASS  FAILED      0.25  guest fault; known: its bytes are no fault\n"
        );
        let tally = tally(&entries);
        assert_eq!((tally.passed, tally.failed.len()), (1, 1));
    }

    #[test]
    fn programs_read_the_same() {
        let json = serde_json::to_value(entry("sp01", Verdict::Skipped("why".to_owned()))).expect("is plain data");
        assert_eq!(json["result"], "skipped");
        assert_eq!(json["note"], "why");
        assert_eq!(json["state"], "EXPECTED_PASS");
    }

    #[test]
    fn what_passed_elsewhere_and_not_here_is_found() {
        let folder = std::env::temp_dir().join(format!("paravirt-results-{}", std::process::id()));
        let passed = || Verdict::Passed(String::new());
        let failed = || Verdict::Failed("why".to_owned());
        add(&folder, "there", &[entry("sp01", passed()), entry("sp02", failed())]).expect("a file");
        let here = [
            entry("sp01", failed()),
            entry("sp02", failed()),
            entry("sp03", failed()),
        ];
        add(
            &folder,
            "there-too",
            &[entry("sp01", failed()), entry("sp03", passed())],
        )
        .expect("a file");
        let worse = worse_than(&folder, &["there", "there-too"].map(str::to_owned), &here);
        let unknown = worse_than(&folder, &["elsewhere".to_owned()], &here);
        fs::remove_dir_all(&folder).expect("ours");
        assert_eq!(
            worse.expect("is understood"),
            ["sptests/sp01: why", "sptests/sp03: why"]
        );
        assert!(unknown.expect("nothing").is_empty());
    }

    #[test]
    fn results_of_other_tests_stay() {
        let folder = std::env::temp_dir().join(format!("paravirt-results-add-{}", std::process::id()));
        let passed = || Verdict::Passed(String::new());
        let failed = || Verdict::Failed("why".to_owned());
        for entries in [
            vec![entry("sp02", failed()), entry("sp03", passed())],
            vec![entry("sp01", passed()), entry("sp02", passed())],
        ] {
            add(&folder, "here", &entries).expect("a file");
        }
        let all = read(&folder, "here");
        fs::remove_dir_all(&folder).expect("ours");
        let all: Vec<(String, bool)> = all
            .expect("is understood")
            .into_iter()
            .map(|entry| (entry.test, entry.verdict.is_passed()))
            .collect();
        let expected = ["sp01", "sp02", "sp03"].map(|name| (name.to_owned(), true));
        assert_eq!(all, expected);
    }

    #[test]
    fn the_reasons_are_understood() {
        let workspace = Workspace::find().expect("a checkout");
        let of = |bsp| reasons(&workspace, bsp).expect("the file");
        assert!(of(Bsp::I386).why("process", "sptests", "spfatal26").is_some());
        assert!(of(Bsp::Aarch64).why("qemu", "sptests", "spfatal26").is_some());
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
            side_by_side([("here", &here), ("there", &there)], &reasons),
            "| group | here | there |\n|---|---|---|\n\
             | sptests | 1 passed, 1 failed, 2 skipped | 3 passed, 0 failed, 2 skipped |\n\n\
             | test | here | there | reason |\n|---|---|---|---|\n\
             | sptests/sp02 | timeout | passed | jitter |\n\
             | sptests/sp04 | skipped: why | passed | jitter |\n"
        );
    }
}
