// SPDX-License-Identifier: MIT OR Apache-2.0
//! Progress of a long task, and its result in one line.
//!
//! A check can pass and fail. What could not be checked for want of something of the user's is skipped. What could not
//! be checked for want of a tool that cannot be installed here is skipped, too, but fails in CI. What hangs on a step
//! that failed is not run; that step is the failure.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;

use paravirt_build::tally::Tally;
use paravirt_build::tools::{State, Tool};
use test_support::need::{Need, Step};

use crate::libtest::Outcome;

/// Counts checks while it announces the steps of a task.
#[derive(Debug)]
pub struct Report {
    tally: Tally,
    /// Number of checks by the reason for which they were skipped or not run.
    skipped: BTreeMap<String, usize>,
    not_run: BTreeMap<String, usize>,
    /// Tools that do not work, and how that came.
    tools: Vec<(Tool, State)>,
    /// Steps that failed, or lack a tool.
    steps: Vec<(Step, Option<Tool>)>,
    /// Whether only the user's things may be skipped.
    strict: bool,
    step: usize,
    of: usize,
    start: Instant,
}

impl Report {
    /// A report on a task of that many steps. With `strict`, as in CI, only what needs something of the user's may be
    /// skipped.
    pub fn new(steps: usize, strict: bool) -> Self {
        Self {
            tally: Tally::default(),
            skipped: BTreeMap::new(),
            not_run: BTreeMap::new(),
            tools: Vec::new(),
            steps: Vec::new(),
            strict,
            step: 0,
            of: steps,
            start: Instant::now(),
        }
    }

    /// Announces the next step.
    pub fn step(&mut self, title: &str) {
        self.step += 1;
        println!(
            "\n=== [{}/{}] {title} (after {:.0} s)",
            self.step,
            self.of,
            self.start.elapsed().as_secs_f64()
        );
    }

    /// Takes note of a tool. One that was to be installed and does not work is a failure.
    pub fn tool(&mut self, tool: Tool, state: State) {
        match &state {
            State::Missing(text) => println!("{text}"),
            State::Failed(text) => self.check(&format!("set up {}", tool.key()), Err(anyhow::anyhow!("{text}"))),
        }
        self.tools.push((tool, state));
    }

    /// Counts a check. The error is printed now and named again at the end.
    pub fn check(&mut self, name: &str, result: Result<()>) {
        match result {
            Ok(()) => {
                println!("ok: {name}");
                self.tally.passed += 1;
            }
            Err(error) => {
                println!("FAILED: {name}: {error:#}");
                self.tally.failed.push(name.to_owned());
            }
        }
    }

    /// Counts a check that makes something on which others hang.
    pub fn make(&mut self, step: Step, name: &str, result: Result<()>) {
        if result.is_err() {
            self.steps.push((step, None));
        }
        self.check(name, result);
    }

    /// Returns whether that tool works; if not, the check of that name counts as one that lacks it, and `step` is not
    /// made.
    pub fn has(&mut self, tool: Tool, step: Option<Step>, name: &str) -> bool {
        if self.tools.iter().all(|(of, _)| *of != tool) {
            return true;
        }
        if let Some(step) = step {
            self.steps.push((step, Some(tool)));
        }
        self.want(name, Need::Tool(tool));
        false
    }

    /// Adds what a test runner counted.
    pub fn add(&mut self, outcome: Outcome) {
        self.tally.passed += outcome.passed;
        self.tally.failed.extend(outcome.failed);
        for (test, need) in outcome.wanting {
            self.want(&test, need);
        }
    }

    /// Counts a check that could not do its work.
    fn want(&mut self, name: &str, need: Need) {
        match need {
            Need::User(user) if !user.is_named() => self.skip(user.reason()),
            Need::Tool(tool) => match self.tools.iter().find(|(of, _)| *of == tool) {
                Some((_, State::Missing(_))) => {
                    let reason = format!("no {}", tool.key());
                    if self.strict {
                        self.tally.failed.push(format!("{name}: {reason}"));
                    } else {
                        self.skip(&reason);
                    }
                }
                Some(_) => self.leave(format!("set up {}", tool.key())),
                None => self.fail(name, need),
            },
            Need::Step(step) => match self.steps.iter().find(|(of, _)| *of == step) {
                Some((_, Some(tool))) => self.want(name, Need::Tool(*tool)),
                Some((_, None)) => self.leave(need.to_string()),
                None => self.fail(name, need),
            },
            Need::User(_) => self.fail(name, need),
        }
    }

    fn skip(&mut self, reason: &str) {
        *self.skipped.entry(reason.to_owned()).or_default() += 1;
        self.tally.skipped += 1;
    }

    fn leave(&mut self, cause: String) {
        *self.not_run.entry(cause).or_default() += 1;
    }

    /// A check that says that something is missing which is there.
    fn fail(&mut self, name: &str, need: Need) {
        self.tally
            .failed
            .push(format!("{name}: it needs {need}, which should be here"));
    }

    /// Prints what was skipped and what failed, then the closing line. Returns whether the task succeeded.
    pub fn finish(self) -> bool {
        println!("\n=== done in {:.0} s", self.start.elapsed().as_secs_f64());
        for (reason, checks) in &self.skipped {
            println!("skipped: {}: {reason}", count(*checks));
        }
        for (cause, checks) in &self.not_run {
            println!("not run: {}: {cause} failed", count(*checks));
        }
        for failed in &self.tally.failed {
            println!("failed: {failed}");
        }
        println!("{}", self.tally);
        self.succeeded()
    }

    fn succeeded(&self) -> bool {
        self.tally.succeeded() && self.not_run.is_empty()
    }
}

/// Returns whether this is a run in which nothing may be skipped but what needs something of the user's.
pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !["", "0", "false", "no", "off"].contains(&value.to_lowercase().as_str()))
}

fn count(checks: usize) -> String {
    match checks {
        1 => "1 check".to_owned(),
        _ => format!("{checks} checks"),
    }
}

#[cfg(test)]
mod tests {
    use paravirt_build::arch::Arch;
    use test_support::need::User;

    use super::*;

    fn report(strict: bool) -> Report {
        let mut report = Report::new(0, strict);
        report.check("good", Ok(()));
        report
    }

    fn wanting(need: Need) -> Outcome {
        Outcome {
            wanting: vec![("a test".to_owned(), need)],
            ..Outcome::default()
        }
    }

    #[test]
    fn checks_are_counted_as_what_they_came_to() {
        let mut report = report(false);
        report.check("bad", Err(anyhow::anyhow!("broken")));
        report.add(Outcome {
            passed: 3,
            ..Outcome::default()
        });
        assert_eq!(report.tally.to_string(), "4 passed, 1 failed, 0 skipped");
        assert!(!report.succeeded());
    }

    #[test]
    fn what_needs_something_of_the_user_s_is_skipped_everywhere() {
        for strict in [false, true] {
            let mut report = report(strict);
            report.add(wanting(Need::User(User::OtherL4re)));
            assert_eq!(report.tally.to_string(), "1 passed, 0 failed, 1 skipped");
            assert!(report.succeeded());
        }
    }

    #[test]
    fn a_missing_tool_is_skipped_but_not_in_ci() {
        for strict in [false, true] {
            let mut report = report(strict);
            report.tool(Tool::Qemu, State::Missing("no root".to_owned()));
            report.add(wanting(Need::Tool(Tool::Qemu)));
            assert_eq!(report.succeeded(), !strict, "{:?}", report.tally);
        }
    }

    #[test]
    fn what_hangs_on_a_step_that_failed_is_not_run_and_fails_the_task() {
        let step = Step::Guests(Arch::I386);
        let mut report = report(false);
        report.make(step, "build a guest", Err(anyhow::anyhow!("broken")));
        report.add(wanting(Need::Step(step)));
        assert_eq!(report.tally.to_string(), "1 passed, 1 failed, 0 skipped");
        assert_eq!(report.not_run.len(), 1);
        assert!(!report.succeeded());
    }

    #[test]
    fn a_tool_that_was_to_be_installed_fails_once() {
        let mut report = report(false);
        report.tool(Tool::Xen, State::Failed("apt says no".to_owned()));
        report.add(wanting(Need::Tool(Tool::Xen)));
        report.add(wanting(Need::Tool(Tool::Xen)));
        assert_eq!(report.tally.failed.len(), 1);
        assert!(!report.succeeded());
    }

    #[test]
    fn a_step_without_its_tool_counts_as_the_tool() {
        let step = Step::CHosts(Arch::I386);
        let mut report = report(false);
        report.tool(Tool::CrossI686, State::Missing("no root".to_owned()));
        assert!(!report.has(Tool::CrossI686, Some(step), "build c-host"));
        report.add(wanting(Need::Step(step)));
        assert_eq!(report.tally.to_string(), "1 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn a_test_that_lacks_what_is_there_has_failed() {
        for need in [Need::Tool(Tool::Qemu), Need::Step(Step::Sysroots)] {
            let mut report = report(false);
            report.add(wanting(need));
            assert_eq!(report.tally.failed.len(), 1, "{need}");
        }
    }
}
