// SPDX-License-Identifier: MIT OR Apache-2.0
//! What happens, while it happens, on standard error: a line for each test, or on a terminal one line that changes and
//! lines for what is worth a look.

use std::env;
use std::io::{self, IsTerminal};

use clap::builder::styling::Style;
use pvhost::testing::{Outcome, Test, Verdict};
use pvhost::text::Escaped;
use rustix::termios::tcgetwinsize;

use crate::cli::say::{self, BAD, GOOD, ODD};

/// To the first column, and nothing is there.
const ERASE: &str = "\r\x1b[K";
/// Of a terminal that does not say how wide it is.
const WIDTH: usize = 80;

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
        let width = tcgetwinsize(io::stderr()).map_or(WIDTH, |size| size.ws_col.into());
        let width = if width == 0 { WIDTH } else { width };
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
