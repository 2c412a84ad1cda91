// SPDX-License-Identifier: MIT OR Apache-2.0
//! Progress of a long task, and its result in one line.

use std::time::Instant;

use anyhow::Result;

/// What a check came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of checks that passed.
    pub passed: usize,
    /// Names of those that failed.
    pub failed: Vec<String>,
    /// Those that could not run, each with its reason.
    pub skipped: Vec<String>,
}

/// Counts checks while it announces the steps of a task.
#[derive(Debug)]
pub struct Report {
    tally: Tally,
    step: usize,
    steps: usize,
    start: Instant,
}

impl Report {
    /// A report on a task of that many steps.
    pub fn new(steps: usize) -> Self {
        Self {
            tally: Tally::default(),
            step: 0,
            steps,
            start: Instant::now(),
        }
    }

    /// Announces the next step.
    pub fn step(&mut self, title: &str) {
        self.step += 1;
        println!(
            "\n=== [{}/{}] {title} (after {:.0} s)",
            self.step,
            self.steps,
            self.start.elapsed().as_secs_f64()
        );
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

    /// Counts a check that cannot run.
    pub fn skip(&mut self, name: &str, reason: &str) {
        println!("skipped: {name}: {reason}");
        self.tally.skipped.push(format!("{name}: {reason}"));
    }

    /// Adds what a test runner counted.
    pub fn add(&mut self, tally: Tally) {
        self.tally.passed += tally.passed;
        self.tally.failed.extend(tally.failed);
        self.tally.skipped.extend(tally.skipped);
    }

    /// Prints what failed and what was skipped, then the closing line. Whether the task succeeded.
    pub fn finish(self) -> bool {
        println!("\n=== done in {:.0} s", self.start.elapsed().as_secs_f64());
        for skipped in &self.tally.skipped {
            println!("skipped: {skipped}");
        }
        for failed in &self.tally.failed {
            println!("failed: {failed}");
        }
        println!("{}", self.tally);
        self.tally.succeeded()
    }
}

impl Tally {
    /// Nothing failed and something passed: a task that checked nothing has not succeeded.
    fn succeeded(&self) -> bool {
        self.failed.is_empty() && self.passed > 0
    }
}

/// The closing line.
impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed,
            self.failed.len(),
            self.skipped.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: usize, failed: &[&str], skipped: &[&str]) -> Tally {
        let own = |names: &[&str]| names.iter().copied().map(str::to_owned).collect();
        Tally {
            passed,
            failed: own(failed),
            skipped: own(skipped),
        }
    }

    #[test]
    fn a_task_that_checked_nothing_has_not_succeeded() {
        assert!(!tally(0, &[], &[]).succeeded());
        assert!(!tally(0, &[], &["a: no b"]).succeeded());
        assert!(tally(1, &[], &["a: no b"]).succeeded());
    }

    #[test]
    fn one_failure_fails_the_task() {
        assert!(!tally(9, &["bad"], &[]).succeeded());
    }

    #[test]
    fn checks_are_counted_as_what_they_came_to() {
        let mut report = Report::new(0);
        report.check("good", Ok(()));
        report.check("bad", Err(anyhow::anyhow!("broken")));
        report.add(tally(3, &[], &["a: no b"]));
        assert_eq!(report.tally.to_string(), "4 passed, 1 failed, 1 skipped");
    }
}
