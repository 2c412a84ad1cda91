// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs `cargo test` and reads what it prints.
//!
//! A test that cannot do its work fails and says what it needs (see [`test_support::need`]); it is told apart here. A
//! test program that dies prints no result line; here that is a failure. So is a test that is marked as ignored.

use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use paravirt_build::command;
use paravirt_build::emulators;
use paravirt_build::workspace::Workspace;
use test_support::need::{Need, User};

/// What test programs counted.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Number of tests that passed.
    pub passed: usize,
    /// Names of those that failed.
    pub failed: Vec<String>,
    /// Those that could not do their work, and what each needs.
    pub wanting: Vec<(String, Need)>,
}

impl Outcome {
    /// Returns whether there was no test at all.
    pub const fn is_empty(&self) -> bool {
        self.passed == 0 && self.failed.is_empty() && self.wanting.is_empty()
    }
}

/// `cargo test` that ends after `limit` at the latest. The caller adds packages.
pub fn cargo_test(workspace: &Workspace, limit: Duration) -> Command {
    let mut cargo = command::limited(&command::cargo(), limit);
    cargo.current_dir(workspace.root()).args(["test", "--no-fail-fast"]);
    emulators::environment(&mut cargo, workspace);
    cargo
}

/// Runs those tests of a [`cargo_test`] whose names contain `filter` (all if there is none), and shows its output, less
/// what passing tests print.
pub fn run(cargo: &mut Command, filter: Option<&str>) -> Result<Outcome> {
    let mut parser = Parser::default();
    cargo
        // The parser reads plain text.
        .env("CARGO_TERM_COLOR", "never")
        .args(["--", "--color=never"])
        .args(filter);
    let status = command::each_line(cargo, |line| {
        parser.line(line);
        println!("{line}");
    })?;
    Ok(parser.finish(status.success()))
}

/// Counts line by line.
#[derive(Debug, Default)]
struct Parser {
    outcome: Outcome,
    /// The test program that runs, as cargo announces it.
    program: String,
    /// Programs that ended with tests that failed, or without a result.
    failing: usize,
    /// Programs of which cargo says that they failed.
    said_to_fail: usize,
    run: Option<Run>,
}

/// A test program between its `running N tests` and its `test result:`.
#[derive(Debug, Default)]
struct Run {
    announced: usize,
    passed: usize,
    /// As the list at the end has them: what a test prints may tear its line of progress apart.
    failed: Vec<String>,
    /// Whether the heading of the failures has come, of their output or of the list.
    failures: bool,
    /// The failed test whose output is being shown.
    shown: Option<String>,
    /// Those that were not even tried.
    wanting: Vec<(String, Need)>,
    /// What tests said they need.
    needs: HashMap<String, Need>,
    /// Number of tests that were marked as ignored for want of something of the user's.
    ignored: usize,
}

impl Parser {
    /// Takes a line, without its end.
    fn line(&mut self, line: &str) {
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
        } else if let Some(target) = line.strip_prefix("error: could not compile ") {
            self.outcome.failed.push(format!("build {target}"));
        } else if line.starts_with("error: test failed, to rerun pass ")
            || line.starts_with("error: doctest failed, to rerun pass ")
        {
            self.close_dead_run();
            self.said_to_fail += 1;
            if self.failing < self.said_to_fail {
                self.failing += 1;
                self.outcome
                    .failed
                    .push(format!("{}: failed before it ran a test", self.program));
            }
        } else if let Some(run) = &mut self.run {
            run.line(line);
        }
    }

    /// The count, at the end of the output. `success` is the exit status of cargo: a failure that left no other trace
    /// counts as one.
    fn finish(mut self, success: bool) -> Outcome {
        self.close_dead_run();
        if !success && self.failing == 0 && self.outcome.failed.is_empty() {
            self.outcome
                .failed
                .push("cargo test failed before it ran every test".to_owned());
        }
        self.outcome
    }

    fn close_run(&mut self, result: &str) {
        let Some(mut run) = self.run.take() else {
            return;
        };
        // The result counts; names that got lost among other output are made up for.
        run.failed.truncate(count(result, "failed"));
        run.failed.resize(count(result, "failed"), "a test".to_owned());
        for _ in run.ignored..count(result, "ignored") {
            run.failed.push("a test marked as ignored".to_owned());
        }
        run.passed = count(result, "passed");
        self.failing += usize::from(result.starts_with("FAILED"));
        self.add(run);
    }

    fn close_dead_run(&mut self) {
        if let Some(mut run) = self.run.take() {
            self.failing += 1;
            run.failed.push(format!(
                "ended without a result; {} of {} tests passed",
                run.passed, run.announced
            ));
            self.add(run);
        }
    }

    fn add(&mut self, run: Run) {
        self.outcome.passed += run.passed;
        let wanting = run.wanting.into_iter();
        self.outcome
            .wanting
            .extend(wanting.map(|(test, need)| (format!("{}: {test}", self.program), need)));
        for test in run.failed {
            let name = format!("{}: {test}", self.program);
            match run.needs.get(&test) {
                Some(need) => self.outcome.wanting.push((name, *need)),
                None => self.outcome.failed.push(name),
            }
        }
    }
}

impl Run {
    /// See [`Parser::line`].
    fn line(&mut self, line: &str) {
        if line == "failures:" {
            self.failures = true;
            self.shown = None;
        } else if let Some(test) = shown_test(line) {
            self.shown = Some(test.to_owned());
        } else if let Some(test) = &self.shown {
            if let Some(need) = Need::parse(line) {
                self.needs.entry(test.clone()).or_insert(need);
            }
        } else if self.failures {
            if let Some(test) = line.strip_prefix("    ") {
                self.failed.push(test.to_owned());
            }
        } else if line.starts_with("test ") && line.ends_with(" ... ok") {
            self.passed += 1;
        } else if let Some((test, user)) = ignored_test(line) {
            self.ignored += 1;
            self.wanting.push((test.to_owned(), Need::User(user)));
        }
    }
}

/// The test and its reason in `test [REASON] NAME ... ignored`, as [`test_support::trial`] has it.
fn ignored_test(line: &str) -> Option<(&str, User)> {
    let test = line.strip_prefix("test [")?.strip_suffix(" ... ignored")?;
    let (reason, name) = test.split_once("] ")?;
    // Names stand below each other.
    Some((name.trim(), User::with_reason(reason)?))
}

/// The test in `---- NAME stdout ----`, or, as `libtest-mimic` has it, `---- NAME ----`.
fn shown_test(line: &str) -> Option<&str> {
    let name = line.strip_prefix("---- ")?.strip_suffix(" ----")?;
    Some(name.strip_suffix(" stdout").unwrap_or(name))
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
    use paravirt_build::tools::Tool;

    use super::*;

    fn parse(text: &str, success: bool) -> Outcome {
        let mut parser = Parser::default();
        for line in text.lines() {
            parser.line(line);
        }
        parser.finish(success)
    }

    #[test]
    fn failures_are_named_and_those_that_need_something_are_told_apart() {
        let outcome = parse(
            "     Running unittests src/lib.rs (target/debug/deps/pvhost-0a1b2c)

running 3 tests
test a ... ok
test b::c ... FAILED
test d e ... warning: what it prints tears the line apart
FAILED

failures:

---- b::c stdout ----
thread 'b::c' panicked at src/lib.rs:1:1:
it needs: tool qemu

---- d e ----
test panicked: 
needs: tool qemu
there is no qemu

failures:
    b::c
    d e

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
",
            false,
        );
        assert_eq!(outcome.passed, 1);
        assert_eq!(outcome.failed, ["pvhost (src/lib.rs): b::c"]);
        assert_eq!(
            outcome.wanting,
            [("pvhost (src/lib.rs): d e".to_owned(), Need::Tool(Tool::Qemu))]
        );
    }

    #[test]
    fn a_test_that_prints_a_need_and_passes_has_passed() {
        let outcome = parse(
            "running 1 test\nneeds: tool qemu\ntest a ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored",
            true,
        );
        assert_eq!((outcome.passed, outcome.wanting.len()), (1, 0));
    }

    #[test]
    fn a_program_that_dies_is_a_failure_and_the_next_one_counts() {
        let outcome = parse(
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
        assert_eq!((outcome.passed, outcome.failed.len()), (2, 2));
        assert_eq!(
            outcome.failed[0],
            "a (tests/a.rs): ended without a result; 1 of 3 tests passed"
        );
    }

    #[test]
    fn a_program_that_ends_before_its_first_test_is_a_failure() {
        let outcome = parse(
            "     Running tests/a.rs (target/debug/deps/a-1)
running 1 test
test [POK_TREE is not set] x ... ignored
test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
     Running tests/b.rs (target/debug/deps/b-1)
thread 'main' panicked at tests/b.rs:1:1:
error: test failed, to rerun pass `--test b`",
            false,
        );
        assert_eq!(outcome.failed, ["b (tests/b.rs): failed before it ran a test"]);
        // Ended from outside, between two programs.
        let outcome = parse(
            "running 1 test
test [POK_TREE is not set] x ... ignored
test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            false,
        );
        assert_eq!(outcome.failed.len(), 1);
    }

    #[test]
    fn a_program_whose_tests_only_lack_something_has_not_failed_itself() {
        let outcome = parse(
            "     Running tests/a.rs (target/debug/deps/a-1)
running 1 test
failures:
---- x stdout ----
needs: tool qemu
failures:
    x
test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
error: test failed, to rerun pass `--test a`",
            false,
        );
        assert_eq!((outcome.failed.len(), outcome.wanting.len()), (0, 1));
    }

    #[test]
    fn a_build_that_fails_is_a_failure() {
        assert_eq!(parse("error: could not compile `a`", false).failed.len(), 1);
        assert_eq!(parse("", false).failed.len(), 1);
    }

    #[test]
    fn a_test_that_is_ignored_for_want_of_the_user_s_is_told_apart() {
        let outcome = parse(
            "running 3 tests
test [POK_TREE is not set]     run a node    ... ignored
test [it is Monday] b                        ... ignored
test c                                       ... ok
test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            true,
        );
        assert_eq!(outcome.passed, 1);
        assert_eq!(
            outcome.wanting,
            [(": run a node".to_owned(), Need::User(User::PokTree))]
        );
        assert_eq!(outcome.failed.len(), 1);
    }

    #[test]
    fn a_test_that_is_ignored_hides_and_has_failed() {
        let outcome = parse(
            "running 2 tests
test a ... ignored
test b ... ok
test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            true,
        );
        assert_eq!((outcome.passed, outcome.failed.len()), (1, 1));
    }
}
