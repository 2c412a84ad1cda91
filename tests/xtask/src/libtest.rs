// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads what `cargo test -- --show-output` prints.
//!
//! A test that cannot do its work prints `skipped: <reason>` and returns. The test harness counts it as passed; here it
//! counts as skipped. A test program that dies prints no result line; here that is a failure.

use crate::report::Tally;

/// Counts line by line.
#[derive(Debug, Default)]
pub struct Parser {
    tally: Tally,
    /// The test program that runs, as cargo announces it.
    program: String,
    run: Option<Run>,
}

/// A test program between its `running N tests` and its `test result:`.
#[derive(Debug, Default)]
struct Run {
    announced: usize,
    passed: usize,
    failed: Vec<String>,
    section: Section,
    /// The test whose output is being shown.
    test: String,
    /// Tests that were skipped, with their reasons.
    skipped: Vec<(String, String)>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    Progress,
    Successes,
    Failures,
}

impl Parser {
    /// Takes a line, without its end. Whether a person should see it: the output of tests that passed is left out,
    /// except the reasons of those that were skipped.
    pub fn line(&mut self, line: &str) -> bool {
        if let Some(program) = announced_program(line) {
            self.close_dead_run();
            self.program = program;
        } else if let Some(announced) = announced_tests(line) {
            self.close_dead_run();
            self.run = Some(Run {
                announced,
                ..Run::default()
            });
        } else if let Some(result) = line.strip_prefix("test result: ") {
            self.close_run(result);
        } else if let Some(reason) = line.trim_start().strip_prefix("skipped: ") {
            self.skip(reason);
        } else if let Some(target) = line.strip_prefix("error: could not compile ") {
            self.tally.failed.push(format!("build {target}"));
        } else if let Some(run) = &mut self.run {
            return run.line(line);
        }
        true
    }

    /// The count, at the end of the output. `success` is the exit status of cargo: a failure that left no other trace
    /// counts as one.
    pub fn finish(mut self, success: bool) -> Tally {
        self.close_dead_run();
        if !success && self.tally.failed.is_empty() {
            self.tally
                .failed
                .push("cargo test failed before it ran every test".to_owned());
        }
        self.tally
    }

    fn skip(&mut self, reason: &str) {
        let Some(run) = &mut self.run else {
            self.tally
                .skipped
                .push(format!("{}: {reason}", self.program));
            return;
        };
        // What a failed test says about skipping does not change that it failed.
        let again = !run.test.is_empty() && run.skipped.iter().any(|(test, _)| *test == run.test);
        if run.section != Section::Failures && !again {
            run.skipped.push((run.test.clone(), reason.to_owned()));
        }
    }

    fn close_run(&mut self, result: &str) {
        let Some(run) = self.run.take() else {
            return;
        };
        let failed = count(result, "failed");
        let mut names = run.failed;
        names.truncate(failed);
        names.resize(failed, "a test".to_owned());
        self.add(count(result, "passed"), names, run.skipped);
        for _ in 0..count(result, "ignored") {
            self.tally
                .skipped
                .push(format!("{}: a test marked as ignored", self.program));
        }
    }

    fn close_dead_run(&mut self) {
        if let Some(mut run) = self.run.take() {
            run.failed.push(format!(
                "ended without a result after {} of {} tests",
                run.passed + run.failed.len(),
                run.announced
            ));
            self.add(run.passed, run.failed, run.skipped);
        }
    }

    fn add(&mut self, passed: usize, failed: Vec<String>, skipped: Vec<(String, String)>) {
        self.tally.passed += passed.saturating_sub(skipped.len());
        let program = &self.program;
        self.tally
            .failed
            .extend(failed.iter().map(|name| format!("{program}: {name}")));
        self.tally
            .skipped
            .extend(skipped.iter().map(|(test, reason)| {
                let separator = if test.is_empty() { "" } else { ": " };
                format!("{program}: {test}{separator}{reason}")
            }));
    }
}

impl Run {
    /// See [`Parser::line`].
    fn line(&mut self, line: &str) -> bool {
        match line {
            "successes:" => self.section = Section::Successes,
            "failures:" => self.section = Section::Failures,
            _ => {}
        }
        if let Some(test) = line
            .strip_prefix("---- ")
            .and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            test.clone_into(&mut self.test);
        } else if self.section == Section::Progress
            && let Some((name, outcome)) = line
                .strip_prefix("test ")
                .and_then(|rest| rest.rsplit_once(" ... "))
        {
            match outcome {
                "ok" => self.passed += 1,
                "FAILED" => self.failed.push(name.to_owned()),
                _ => {}
            }
        }
        self.section != Section::Successes
    }
}

/// `Running tests/a.rs (target/debug/deps/a-0123)` and `Doc-tests a`, as cargo prints them.
fn announced_program(line: &str) -> Option<String> {
    let line = line.strip_prefix("   ")?.trim_start();
    if let Some(package) = line.strip_prefix("Doc-tests ") {
        return Some(format!("documentation of {package}"));
    }
    let (source, program) = line.strip_prefix("Running ")?.rsplit_once(" (")?;
    let file = program.trim_end_matches(')').rsplit('/').next()?;
    let name = file.rsplit_once('-').map_or(file, |(name, _)| name);
    let source = source.trim_start_matches("unittests ");
    Some(format!("{name} ({source})"))
}

fn announced_tests(line: &str) -> Option<usize> {
    let (number, rest) = line.strip_prefix("running ")?.split_once(' ')?;
    matches!(rest, "test" | "tests").then(|| number.parse().ok())?
}

/// The number before `what` in `ok. 3 passed; 0 failed; ..`.
fn count(result: &str, what: &str) -> usize {
    result
        .split([';', '.'])
        .filter_map(|part| part.trim().split_once(' '))
        .find(|(_, name)| *name == what)
        .and_then(|(number, _)| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, success: bool) -> Tally {
        let mut parser = Parser::default();
        for line in text.lines() {
            parser.line(line);
        }
        parser.finish(success)
    }

    const SKIPPING: &str = "
     Running tests/process.rs (target/debug/deps/process-0a1b2c)

running 3 tests
test runs ... ok
test reads ... ok
test counts ... ok

successes:

---- reads stdout ----
skipped: no terminal
skipped: no terminal, again

---- runs stdout ----
some output

successes:
    counts
    reads
    runs

test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn a_test_that_says_it_skipped_has_not_passed() {
        let tally = parse(SKIPPING, true);
        assert_eq!(tally.to_string(), "2 passed, 0 failed, 1 skipped");
        assert_eq!(
            tally.skipped,
            ["process (tests/process.rs): reads: no terminal"]
        );
    }

    #[test]
    fn only_the_reasons_of_passing_tests_are_shown() {
        let mut parser = Parser::default();
        let shown: Vec<&str> = SKIPPING.lines().filter(|line| parser.line(line)).collect();
        assert!(!shown.contains(&"some output"), "{shown:?}");
        assert!(shown.contains(&"skipped: no terminal"), "{shown:?}");
        assert!(shown.contains(&"test runs ... ok"), "{shown:?}");
    }

    #[test]
    fn failures_are_named_and_may_speak_of_skipping() {
        let tally = parse(
            "     Running unittests src/lib.rs (target/debug/deps/pvhost-0a1b2c)

running 2 tests
test a ... ok
test b::c ... FAILED

failures:

---- b::c stdout ----
skipped: not really
panicked

failures:
    b::c

test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
",
            false,
        );
        assert_eq!(tally.to_string(), "1 passed, 1 failed, 0 skipped");
        assert_eq!(tally.failed, ["pvhost (src/lib.rs): b::c"]);
    }

    #[test]
    fn a_program_that_dies_is_a_failure_and_the_next_one_counts() {
        let tally = parse(
            "     Running tests/a.rs (target/debug/deps/a-1)
running 3 tests
test x ... ok
error: test failed, to rerun pass `--test a`
     Running tests/b.rs (target/debug/deps/b-1)
running 1 test
test y ... ok
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
running 4 tests",
            false,
        );
        assert_eq!(tally.to_string(), "2 passed, 2 failed, 0 skipped");
        assert_eq!(
            tally.failed[0],
            "a (tests/a.rs): ended without a result after 1 of 3 tests"
        );
    }

    #[test]
    fn a_build_that_fails_is_a_failure() {
        assert_eq!(parse("error: could not compile `a`", false).failed.len(), 1);
    }

    #[test]
    fn ignored_tests_are_skipped() {
        let tally = parse(
            "running 2 tests
test a ... ignored
test b ... ok
test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            true,
        );
        assert_eq!(tally.to_string(), "1 passed, 0 failed, 1 skipped");
    }
}
