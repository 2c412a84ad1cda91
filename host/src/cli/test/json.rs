// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report as JSON.

use pvhost::testing::{Attempt, Outcome, State, Verdict};
use serde::Serialize;

use super::{Report, summary};
use crate::cli::{ExitStatus, json};

#[derive(Serialize)]
struct Results<'a> {
    host: &'static str,
    passed: usize,
    failed: usize,
    skipped: usize,
    not_run: usize,
    flaky: usize,
    seconds: f64,
    signal: Option<i32>,
    status: ExitStatus,
    tests: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    group: &'a str,
    name: &'a str,
    file: String,
    state: State,
    #[serde(flatten)]
    verdict: &'a Verdict,
    flaky: bool,
    reason: Option<&'a str>,
    seconds: f64,
    attempts: Vec<Try<'a>>,
    last_lines: Vec<String>,
}

#[derive(Serialize)]
struct Try<'a> {
    #[serde(flatten)]
    verdict: &'a Verdict,
    seconds: f64,
    output: Option<String>,
}

/// `status` is what the program would end with if no signal stopped it, and it can write all that it reports.
pub(super) fn text(report: &Report<'_>) -> serde_json::Result<String> {
    let entry = |outcome| entry(report, outcome);
    json::pretty(&Results {
        host: report.host,
        passed: report.count(|outcome| outcome.verdict.is_passed()),
        failed: report.count(|outcome| matches!(outcome.verdict, Verdict::Failed(_))),
        skipped: report.count(|outcome| matches!(outcome.verdict, Verdict::Skipped(_))),
        not_run: report.count(|outcome| matches!(outcome.verdict, Verdict::NotRun(_))),
        flaky: report.count(Outcome::is_flaky),
        seconds: report.time.as_secs_f64(),
        signal: report.signal,
        status: report.status(),
        tests: report.outcomes.iter().map(entry).collect(),
    })
}

fn entry<'a>(report: &'a Report<'_>, outcome: &'a Outcome) -> Entry<'a> {
    Entry {
        group: &outcome.test.group,
        name: &outcome.test.name,
        file: outcome.test.file.display().to_string(),
        state: outcome.state,
        verdict: &outcome.verdict,
        flaky: outcome.is_flaky(),
        reason: report.reason(outcome),
        seconds: outcome.time().as_secs_f64(),
        attempts: outcome.attempts.iter().map(attempt).collect(),
        last_lines: summary::last_lines(&outcome.tail),
    }
}

fn attempt(attempt: &Attempt) -> Try<'_> {
    Try {
        verdict: &attempt.verdict,
        seconds: attempt.time.as_secs_f64(),
        output: attempt.kept.as_ref().map(|file| file.display().to_string()),
    }
}
