// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table of results, for people and for programs.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use super::suite::Entry;
use super::verdict::Verdict;
use crate::report::Tally;

/// What the file for programs holds.
#[derive(Serialize)]
struct Results<'a> {
    host: &'a str,
    tests: &'a [Entry],
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
}
