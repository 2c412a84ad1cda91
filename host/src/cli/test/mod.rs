// SPDX-License-Identifier: MIT OR Apache-2.0
//! `pvhost test`: runs many guests, and says which did what they should.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use pvhost::testing::{self, Event, Folder, Options, Outcome, Pvhost, Reasons, Run, Signals, Test, Verdict};
use pvhost::text::Escaped;

use super::host::HostName;
use super::replace::Mode;
use super::{Error, ExitStatus, FAILURE, SUCCESS, Subcommand, output, read, run, say, signal, units};

mod json;
mod junit;
mod summary;

use summary::Progress;

/// Time that the guest's host has to end it by `--timeout`, before it is ended itself.
const SLACK: Duration = Duration::from_secs(5);
/// This program, even if its file is replaced meanwhile.
const SELF: &str = "/proc/self/exe";
/// Most at a time.
const MOST_JOBS: u16 = 256;

#[derive(Debug, Args)]
#[command(
    after_help = EXAMPLES,
    override_usage = "pvhost test [OPTIONS] <PATH>... [-- <RUN-OPTIONS>...]"
)]
pub(super) struct Arguments {
    /// Guests, and folders in which guests are looked for, at any depth
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Where they run
    #[arg(long, value_enum, value_name = "HOST", default_value_t = HostName::Process)]
    host: HostName,

    /// How their time passes, as for `pvhost run`; but `fast` is fast=20 here, since tests compute until a time has
    /// come, and fast=1 is the processor's own
    #[arg(long, value_name = "MODE")]
    time: Option<OsString>,

    /// Stop a guest after that time, and count it as failed: seconds, or with a unit (ms, s, min, h)
    #[arg(long, value_name = "TIME", value_parser = units::time, default_value = "60s")]
    timeout: Duration,

    /// Run so many at a time [default: one for each processor]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_JOBS)))]
    jobs: Option<u16>,

    /// Run only tests whose names, as in `sptests/sp01`, contain that text or match that pattern with `*` or `?`
    #[arg(long, value_name = "PATTERN", value_parser = Filter::parse)]
    filter: Vec<Filter>,

    /// Run one that fails so many times again; that it then passed is reported
    #[arg(long, value_name = "N", default_value_t = 0)]
    retries: u32,

    /// Keep what each prints in that folder, which is made if it is not there, as GROUP/NAME.log
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,

    /// Write a report in JUnit's XML, as CI services read it
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Print the report as JSON instead of text
    #[arg(long)]
    json: bool,

    /// A file that says why tests are known not to pass; the reasons are reported, and excuse nothing
    #[arg(long, value_name = "FILE")]
    reasons: Option<PathBuf>,

    /// Name files in the folders that are no tests, too
    #[arg(short, long)]
    verbose: bool,

    /// Options of `pvhost run` for each
    #[arg(last = true, value_name = "RUN-OPTIONS")]
    run_options: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  pvhost test target/rtems/build/i386/paravirt/testsuites/sptests
  pvhost test testsuites --filter 'sp*' --filter psx --jobs 8
  pvhost test guests --output logs --junit report.xml --retries 2
  pvhost test testsuites/samples --host qemu --timeout 2min
  pvhost test guests -- --memory 64MiB --realtime

Each guest has a run of its own, `pvhost run`, without input. In a folder, programs of RTEMS (*.exe) are tests, and \
executable ELF files that are guests; a guest with tests of its own (paravirt_bsp::test!) counts as so many.

A program that prints RTEMS' banner passes if it comes to the end of its test; one without it by its exit status. \
What RTEMS expects to fail, or marks as a benchmark, as indeterminate or as waiting for a person, may also not come to \
its end, and then counts as skipped. 16 MiB of output are too much.

A test that passes only in a later attempt is flaky: it counts as passed, and is named in every report. When a signal \
stops the tests, the reports are written and say what was not run.

Exit status: 0 if all did what they should, 1 if one did not or was not run, 2 wrong command line. A signal that \
stops the tests ends pvhost, too.";

/// Which tests are wanted.
#[derive(Clone, Debug)]
enum Filter {
    Part(String),
    Pattern(glob::Pattern),
}

impl Filter {
    fn parse(text: &str) -> Result<Self, glob::PatternError> {
        if text.contains(['*', '?', '[']) {
            glob::Pattern::new(text).map(Self::Pattern)
        } else {
            Ok(Self::Part(text.to_owned()))
        }
    }

    /// A pattern is for the whole name, with or without its group.
    fn fits(&self, test: &Test) -> bool {
        let full = test.full_name();
        match self {
            Self::Part(part) => full.contains(part.as_str()),
            Self::Pattern(pattern) => pattern.matches(&full) || pattern.matches(&test.name),
        }
    }
}

/// What is reported.
struct Report<'a> {
    outcomes: &'a [Outcome],
    reasons: &'a Reasons,
    /// Where they ran.
    host: &'static str,
    time: Duration,
    /// The signal that stopped them.
    signal: Option<i32>,
}

impl Report<'_> {
    /// Why it did not pass, where that is known.
    fn reason(&self, outcome: &Outcome) -> Option<&str> {
        let test = &outcome.test;
        let is_good = outcome.verdict.is_passed() && !outcome.is_flaky();
        self.reasons
            .why(self.host, &test.group, &test.name)
            .filter(|_| !is_good)
    }

    /// What is noted of a test.
    fn note(&self, outcome: &Outcome) -> String {
        let note = outcome.note();
        match self.reason(outcome) {
            Some(reason) => format!("{note}; known: {reason}"),
            None => note,
        }
    }

    fn count(&self, is_one: impl Fn(&Outcome) -> bool) -> usize {
        self.outcomes.iter().filter(|outcome| is_one(outcome)).count()
    }

    fn status(&self) -> ExitStatus {
        let is_bad = |outcome: &Outcome| matches!(outcome.verdict, Verdict::Failed(_) | Verdict::NotRun(_));
        if self.count(is_bad) == 0 { SUCCESS } else { FAILURE }
    }
}

impl Subcommand for Arguments {
    const NAME: &str = "test";
    const ABOUT: &str = "Run many guests, as RTEMS' test programs, and say which did what they should";

    fn run(&self) -> Result<ExitStatus, Error> {
        let options = self.run_options();
        if let Err(refusal) = run::Arguments::check_options(&options) {
            return Ok(super::print_refusal(refusal));
        }
        let is_stdout = |file: &Option<PathBuf>| file.as_deref().is_some_and(|file| file.as_os_str() == "-");
        if self.json && is_stdout(&self.junit) {
            return Err("both reports would be on standard output; give --junit the name of a file".into());
        }
        if self.paths.iter().any(|path| read::is_stdin(path)) {
            return Err("a guest is read for each of its runs: name its file, not `-`".into());
        }
        let reasons = match &self.reasons {
            Some(file) => {
                let text = read::list(file, "reasons, a table [[exception]] with `test` and `why` for each")?;
                let error = |error| format!("{}: {error}", Escaped(file.display()));
                Reasons::parse(&text).map_err(error)?
            }
            None => Reasons::default(),
        };
        signal::wait_for_children();
        let launcher = Pvhost {
            program: SELF.into(),
            options,
        };
        let mut found = testing::find(&self.paths, &launcher, self.timeout)?;
        if self.verbose {
            for (file, why) in &found.others {
                say::note(format_args!("{}: {why}", Escaped(file.display())));
            }
        }
        if found.tests.is_empty() {
            return Err("there are no tests in the folders that are named; --verbose says what is there".into());
        }
        if !self.filter.is_empty() {
            found
                .tests
                .retain(|test| self.filter.iter().any(|filter| filter.fits(test)));
        }
        if found.tests.is_empty() {
            return Err("no test has a name that --filter lets through".into());
        }
        let folder = self.output.as_deref().map(Folder::open).transpose()?;

        let signals = Signals::put_off();
        let start = Instant::now();
        let run = self.run_all(&launcher, &found.tests, folder.as_ref(), &reasons, &signals);
        let report = Report {
            outcomes: &run.outcomes,
            reasons: &reasons,
            host: self.host.name(),
            time: start.elapsed(),
            signal: signals.caught(),
        };
        // From now on a signal need not wait.
        drop(signals);
        if report.signal.is_some() {
            output::hurry_from(Instant::now());
        }
        let reported = self.report(&report, is_stdout(&self.junit));
        if let Some(signal) = report.signal {
            if let Some(error) = reported.err().or(run.error.map(Error::from)) {
                say::error(error);
            }
            signal::die_by(signal);
        } else {
            reported?;
            run.error.map_or(Ok(()), Err)?;
        }
        Ok(report.status())
    }
}

impl Arguments {
    /// The options of each run.
    fn run_options(&self) -> Vec<OsString> {
        let mut options = vec!["--host".into(), self.host.name().into()];
        options.extend(["--timeout".into(), format!("{}s", self.timeout.as_secs_f64()).into()]);
        if let Some(time) = &self.time {
            options.extend(["--time".into(), testing::time_of_tests(time).into()]);
        }
        options.extend_from_slice(&self.run_options);
        options
    }

    fn run_all(
        &self,
        launcher: &Pvhost,
        tests: &[Test],
        folder: Option<&Folder>,
        reasons: &Reasons,
        signals: &Signals,
    ) -> Run {
        let jobs = self.jobs.map_or_else(
            || {
                thread::available_parallelism()
                    .map_or(1, usize::from)
                    .min(MOST_JOBS.into())
            },
            usize::from,
        );
        let options = Options {
            jobs,
            timeout: self.timeout.saturating_add(SLACK),
            retries: self.retries,
            folder,
        };
        let mut progress = Progress::new(tests);
        testing::run(
            launcher,
            tests,
            &options,
            &|| signals.caught().is_some(),
            |event| match event {
                Event::Started(index) => progress.started(index),
                Event::Ended(index, outcome) => {
                    let reason = reasons.why(self.host.name(), &outcome.test.group, &outcome.test.name);
                    progress.ended(index, outcome, reason);
                }
            },
        )
    }

    fn report(&self, report: &Report<'_>, is_junit_on_stdout: bool) -> Result<(), Error> {
        // What one of them cannot be written to does not keep the others from being written.
        let junit = self.junit.as_deref().map_or(Ok(()), |file| {
            output::write(file, junit::xml(report).as_bytes(), Mode::Usual, &self.inputs(), "")
        });
        let text = summary::text(report);
        if self.json {
            say::say(&text);
            output::print(&json::text(report)?)?;
        } else if is_junit_on_stdout {
            say::say(&text);
        } else {
            output::print(&say::for_stdout(&text))?;
        }
        Ok(junit?)
    }

    /// Files that no report may replace.
    fn inputs(&self) -> Vec<&Path> {
        let named = self.paths.iter().chain(&self.reasons);
        named.map(PathBuf::as_path).collect()
    }
}

#[cfg(test)]
mod tests {
    use pvhost::testing::Expects;

    use super::*;

    #[test]
    fn a_filter_is_a_part_of_a_name_or_a_pattern_for_all_of_it() {
        let test = Test {
            group: "sptests".to_owned(),
            name: "sp01".to_owned(),
            file: PathBuf::new(),
            part: None,
            expects: Expects::End,
        };
        for (text, fits) in [
            ("sp01", true),
            ("tests/sp", true),
            ("sp02", false),
            ("sp*", true),
            ("sp?1", true),
            ("*/sp0[1-3]", true),
            ("p01*", false),
            ("*tests", false),
        ] {
            let filter = Filter::parse(text).expect("a filter");
            assert_eq!(filter.fits(&test), fits, "{text}");
        }
        Filter::parse("sp[").expect_err("no pattern");
    }
}
