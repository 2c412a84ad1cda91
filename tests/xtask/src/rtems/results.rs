// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table of results, for people and for programs.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::suite::Entry;
use super::verdict::Verdict;
use crate::report::Tally;

/// What the file for programs holds.
#[derive(Serialize)]
struct Results<'a> {
    host: &'a str,
    tests: &'a [Entry],
}

/// What is read of that.
#[derive(Deserialize)]
struct Reference {
    tests: Vec<ReferenceEntry>,
}

#[derive(Deserialize)]
struct ReferenceEntry {
    group: String,
    test: String,
    result: String,
}

/// Writes `<folder>/<host>.txt` and `.json`; returns their paths.
///
/// # Errors
/// The file system's.
pub fn write(folder: &Path, host: &str, entries: &[Entry]) -> Result<[PathBuf; 2]> {
    let text = folder.join(format!("{host}.txt"));
    let json = folder.join(format!("{host}.json"));
    super::write_if_changed(&text, table(entries).as_bytes())?;
    let results = Results {
        host,
        tests: entries,
    };
    super::write_if_changed(&json, serde_json::to_string_pretty(&results)?.as_bytes())?;
    Ok([text, json])
}

/// Tests in `entries` that did not pass, but passed on `reference`, from the file that [`write()`] left there. Nothing without
/// that file.
///
/// # Errors
/// The file is not understood.
pub fn worse_than(folder: &Path, reference: &str, entries: &[Entry]) -> Result<Vec<String>> {
    let Ok(text) = fs::read_to_string(folder.join(format!("{reference}.json"))) else {
        return Ok(Vec::new());
    };
    let reference: Reference = serde_json::from_str(&text)?;
    let passed_there = |entry: &Entry| {
        reference.tests.iter().any(|there| {
            there.group == entry.group && there.test == entry.test && there.result == "passed"
        })
    };
    Ok(entries
        .iter()
        .filter(|entry| !matches!(entry.verdict, Verdict::Passed(_)) && passed_there(entry))
        .map(|entry| format!("{}/{}: {}", entry.group, entry.test, entry.verdict.note()))
        .collect())
}

/// The table.
pub fn table(entries: &[Entry]) -> String {
    let width = |text: fn(&Entry) -> &str| {
        entries
            .iter()
            .map(|entry| text(entry).len())
            .max()
            .unwrap_or(0)
            .max(5)
    };
    let group = width(|entry| entry.group);
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
            entry.verdict.note()
        );
        let _ = writeln!(table, "{}", line.trim_end());
    }
    table
}

/// How many of each result.
pub fn tally(entries: &[Entry]) -> Tally {
    let mut tally = Tally::default();
    for entry in entries {
        let name = format!("{}/{}", entry.group, entry.test);
        match &entry.verdict {
            Verdict::Passed(_) => tally.passed += 1,
            Verdict::Failed(why) => tally.failed.push(format!("{name}: {why}")),
            Verdict::Skipped(why) => tally.skipped.push(format!("{name}: {why}")),
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtems::output::State;

    fn entry(test: &str, verdict: Verdict) -> Entry {
        Entry {
            group: "sptests",
            test: test.to_owned(),
            state: State::ExpectedPass,
            verdict,
            seconds: 0.25,
        }
    }

    #[test]
    fn the_table_has_a_line_for_each_test() {
        let entries = [
            entry("sp01", Verdict::Passed(String::new())),
            entry("spfatal26", Verdict::Failed("guest fault".to_owned())),
        ];
        assert_eq!(
            table(&entries),
            "group    test       state          result   seconds  note\n\
             sptests  sp01       EXPECTED_PASS  passed      0.25\n\
             sptests  spfatal26  EXPECTED_PASS  FAILED      0.25  guest fault\n"
        );
        let tally = tally(&entries);
        assert_eq!((tally.passed, tally.failed.len()), (1, 1));
    }

    #[test]
    fn programs_read_the_same() {
        let json = serde_json::to_value(entry("sp01", Verdict::Skipped("why".to_owned())))
            .expect("is plain data");
        assert_eq!(json["result"], "skipped");
        assert_eq!(json["note"], "why");
        assert_eq!(json["state"], "EXPECTED_PASS");
    }

    #[test]
    fn what_passed_elsewhere_and_not_here_is_found() {
        let folder = std::env::temp_dir().join(format!("xtask-results-{}", std::process::id()));
        let passed = || Verdict::Passed(String::new());
        let failed = || Verdict::Failed("why".to_owned());
        write(
            &folder,
            "there",
            &[entry("sp01", passed()), entry("sp02", failed())],
        )
        .expect("a file");
        let here = [
            entry("sp01", failed()),
            entry("sp02", failed()),
            entry("sp03", failed()),
        ];
        let worse = worse_than(&folder, "there", &here);
        let unknown = worse_than(&folder, "elsewhere", &here);
        fs::remove_dir_all(&folder).expect("ours");
        assert_eq!(worse.expect("is understood"), ["sptests/sp01: why"]);
        assert!(unknown.expect("nothing").is_empty());
    }
}
