// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table of results, for people and for programs.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::suite::Entry;
use super::verdict::Verdict;
use paravirt_build::tally::Tally;

/// What the file for programs holds.
#[derive(Serialize, Deserialize)]
struct Results {
    host: String,
    tests: Vec<Entry>,
}

/// What [`add`] left in `folder` for a host; empty if there is nothing.
///
/// # Errors
/// The file is not understood.
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
///
/// # Errors
/// The file system's, or the files are not understood.
pub fn add(folder: &Path, host: &str, entries: &[Entry]) -> Result<[PathBuf; 2]> {
    let mut tests = read(folder, host)?;
    tests.retain(|old| !entries.iter().any(|new| is_same_test(old, new)));
    tests.extend_from_slice(entries);
    tests.sort_by(|a, b| (&a.group, &a.test).cmp(&(&b.group, &b.test)));
    let text = folder.join(format!("{host}.txt"));
    let json = folder.join(format!("{host}.json"));
    paravirt_build::files::write_if_changed(&text, table(&tests).as_bytes())?;
    let results = Results {
        host: host.to_owned(),
        tests,
    };
    paravirt_build::files::write_if_changed(&json, serde_json::to_string_pretty(&results)?.as_bytes())?;
    Ok([text, json])
}

/// Returns whether two entries are about one test.
pub fn is_same_test(a: &Entry, b: &Entry) -> bool {
    a.group == b.group && a.test == b.test
}

/// Tests in `entries` that did not pass, but passed on `reference`, from the file that [`add`] left there. Nothing
/// without that file.
///
/// # Errors
/// The file is not understood.
pub fn worse_than(folder: &Path, reference: &str, entries: &[Entry]) -> Result<Vec<String>> {
    let reference = read(folder, reference)?;
    let passed_there = |entry: &Entry| {
        reference
            .iter()
            .any(|there| is_same_test(there, entry) && there.verdict.is_passed())
    };
    Ok(entries
        .iter()
        .filter(|entry| !entry.verdict.is_passed() && passed_there(entry))
        .map(|entry| format!("{}/{}: {}", entry.group, entry.test, entry.verdict.note()))
        .collect())
}

/// The table.
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
pub fn tally(entries: &[Entry]) -> Tally {
    let mut tally = Tally::default();
    for entry in entries {
        let name = format!("{}/{}", entry.group, entry.test);
        match &entry.verdict {
            Verdict::Passed(_) => tally.passed += 1,
            Verdict::Failed(_) => tally.failed.push(format!("{name}: {}", entry.note())),
            Verdict::Skipped(_) => tally.skipped.push(format!("{name}: {}", entry.note())),
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
        let worse = worse_than(&folder, "there", &here);
        let unknown = worse_than(&folder, "elsewhere", &here);
        fs::remove_dir_all(&folder).expect("ours");
        assert_eq!(worse.expect("is understood"), ["sptests/sp01: why"]);
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
}
