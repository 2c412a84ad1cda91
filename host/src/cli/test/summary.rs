// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report for people: what did not pass, with the end of its output, then how many there are.

use std::collections::BTreeMap;

use pvhost::testing::{Outcome, Verdict};
use pvhost::text::Escaped;

use super::Report;
use super::progress::style;
use crate::cli::say;

/// Lines of its output that are shown of a test that failed.
const LINES: usize = 10;
/// Characters that are shown of a line.
const WIDTH: usize = 200;

pub(super) fn text(report: &Report<'_>) -> String {
    let mut text = String::from("\n");
    let is_failure = |outcome: &&Outcome| matches!(outcome.verdict, Verdict::Failed(_));
    for outcome in report.outcomes.iter().filter(|outcome| !is_failure(outcome)) {
        if !report.note(outcome).is_empty() {
            text += &line(report, outcome);
        }
    }
    for outcome in report.outcomes.iter().filter(is_failure) {
        text += &line(report, outcome);
        if let Some(file) = outcome.attempts.last().and_then(|attempt| attempt.kept.as_ref()) {
            text += &format!("    output: {}\n", Escaped(file.display()));
        }
        for line in last_lines(&outcome.tail) {
            text += &format!("    | {line}\n");
        }
    }
    if text.len() > 1 {
        text.push('\n');
    }
    text + &table(report) + "\n" + &tally(report) + "\n"
}

fn line(report: &Report<'_>, outcome: &Outcome) -> String {
    let style = style(outcome);
    let name = Escaped(outcome.test.full_name());
    format!(
        "{style}{}{style:#}: {name}: {}\n",
        outcome.name(),
        Escaped(report.note(outcome))
    )
}

/// The last lines in which something is, as a terminal may show them.
pub(super) fn last_lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    let mut last: Vec<String> = lines
        .rev()
        .take(LINES)
        .map(|line| Escaped(line.chars().take(WIDTH).collect::<String>()).to_string())
        .collect();
    last.reverse();
    last
}

/// How many of each result there are in a group, and how long they took.
fn table(report: &Report<'_>) -> String {
    let mut groups: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
    for outcome in report.outcomes {
        groups.entry(&outcome.test.group).or_default().push(outcome);
    }
    let mut rows = vec![["GROUP", "PASSED", "FLAKY", "FAILED", "SKIPPED", "NOT RUN", "SECONDS"].map(str::to_owned)];
    for (group, outcomes) in groups {
        let count = |name| {
            outcomes
                .iter()
                .filter(|outcome| outcome.name() == name)
                .count()
                .to_string()
        };
        let seconds: f64 = outcomes.iter().map(|outcome| outcome.time().as_secs_f64()).sum();
        let [passed, flaky, failed, skipped, not_run] = ["passed", "flaky", "FAILED", "skipped", "not run"].map(count);
        let group = if group.is_empty() {
            "-".to_owned()
        } else {
            Escaped(group).to_string()
        };
        rows.push([group, passed, flaky, failed, skipped, not_run, format!("{seconds:.1}")]);
    }
    say::table(&rows)
}

fn tally(report: &Report<'_>) -> String {
    let flaky = report.count(Outcome::is_flaky);
    let not_run = report.count(|outcome| matches!(outcome.verdict, Verdict::NotRun(_)));
    let mut text = format!(
        "{} passed{}, {} failed, {} skipped",
        report.count(|outcome| outcome.verdict.is_passed()),
        if flaky > 0 {
            format!(" ({flaky} flaky)")
        } else {
            String::new()
        },
        report.count(|outcome| matches!(outcome.verdict, Verdict::Failed(_))),
        report.count(|outcome| matches!(outcome.verdict, Verdict::Skipped(_)))
    );
    if not_run > 0 {
        text += &format!(", {not_run} not run");
    }
    text + &format!(", in {:.1} s", report.time.as_secs_f64())
}
