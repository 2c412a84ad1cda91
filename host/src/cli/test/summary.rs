// SPDX-License-Identifier: MIT OR Apache-2.0
//! The report for people: what did not pass, with the end of its output, then how many there are.
//!
//! What happens, while it happens, on standard error: a line for each test, or on a terminal one line that changes and
//! lines for what is worth a look.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, IsTerminal};

use clap::builder::styling::Style;
use pvhost::testing::{Outcome, Test, Verdict};
use pvhost::text::Escaped;
use rustix::termios::tcgetwinsize;

use super::Report;
use crate::cli::say::{self, BAD, GOOD, ODD};

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

/// To the first column, and nothing is there.
const ERASE: &str = "\r\x1b[K";
/// Of a terminal that does not say how wide it is.
const TERMINAL: usize = 80;

pub(super) struct Progress<'a> {
    tests: &'a [Test],
    /// Those that run, as they were started.
    running: Vec<usize>,
    ended: usize,
    failed: usize,
    is_terminal: bool,
}

impl<'a> Progress<'a> {
    pub(super) fn new(tests: &'a [Test]) -> Self {
        let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            tests,
            running: Vec::new(),
            ended: 0,
            failed: 0,
            is_terminal: io::stderr().is_terminal() && !is_dumb,
        }
    }

    pub(super) fn started(&mut self, index: usize) {
        self.running.push(index);
        self.draw("");
    }

    /// With the reason why it is known not to pass, if there is one.
    pub(super) fn ended(&mut self, index: usize, outcome: &Outcome, reason: Option<&str>) {
        self.running.retain(|running| *running != index);
        self.ended += 1;
        self.failed += usize::from(matches!(outcome.verdict, Verdict::Failed(_)));
        let style = style(outcome);
        let mut line = format!(
            "[{}/{}] {style}{}{style:#}: {} ({:.1} s) {}",
            self.ended,
            self.tests.len(),
            outcome.name(),
            Escaped(outcome.test.full_name()),
            outcome.time().as_secs_f64(),
            Escaped(outcome.note())
        );
        let is_good = outcome.verdict.is_passed() && !outcome.is_flaky();
        if let Some(reason) = reason.filter(|_| !is_good) {
            line += &format!("; known: {}", Escaped(reason));
        }
        let line = line.trim_end();
        if !self.is_terminal {
            say::say(format_args!("{line}\n"));
        } else if outcome.note().is_empty() {
            self.draw("");
        } else {
            self.draw(&format!("{line}\n"));
        }
    }

    /// The line that changes, with what is to stay above it.
    fn draw(&self, above: &str) {
        if !self.is_terminal {
            return;
        }
        let running = self
            .running
            .iter()
            .map(|index| Escaped(self.tests[*index].full_name()).to_string());
        let running = running.collect::<Vec<_>>().join(", ");
        let line = format!(
            "[{}/{}] {} failed; running: {running}",
            self.ended,
            self.tests.len(),
            self.failed
        );
        let line = if self.running.is_empty() { String::new() } else { line };
        let width = tcgetwinsize(io::stderr()).map_or(TERMINAL, |size| size.ws_col.into());
        let width = if width == 0 { TERMINAL } else { width };
        // A line that is as wide as the terminal would begin another one.
        let line: String = line.chars().take(width - 1).collect();
        say::say_to_terminal(ERASE, format_args!("{above}{line}"));
    }
}

pub(super) fn style(outcome: &Outcome) -> Style {
    match outcome.verdict {
        Verdict::Passed(_) if !outcome.is_flaky() => GOOD,
        Verdict::Failed(_) => BAD,
        _ => ODD,
    }
}
