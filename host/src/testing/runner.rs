// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs many tests, several at a time.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::attempt::{self, Attempt, End, Failure, Limits};
use super::verdict::{self, Banner, Ending, State, Verdict};
use super::{Error, Folder, Launcher, Test};

/// What a program may print, in MiB.
const MOST: u64 = 16;
/// How much of the end of it is at hand when it did not pass, in bytes.
const TAIL: usize = 64 << 10;

/// How they are run.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// How many at a time, at least 1.
    pub jobs: usize,
    /// How long each may run.
    pub timeout: Duration,
    /// How often one that fails is run again.
    pub retries: u32,
    /// Where the output is kept.
    pub folder: Option<&'a Folder>,
}

/// What came of a test.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The test.
    pub test: Test,
    /// What RTEMS expects of it.
    pub state: State,
    /// What came of it, in the last attempt that was not interrupted.
    pub verdict: Verdict,
    /// All attempts; none, if it was not run.
    pub attempts: Vec<Attempt>,
    /// Of one that did not pass, the end of what it printed last, 64 KiB at most.
    pub tail: String,
}

impl Outcome {
    /// Whether it passed, but not at once.
    #[must_use]
    pub fn is_flaky(&self) -> bool {
        self.verdict.is_passed() && self.attempts.len() > 1
    }

    /// In a table.
    #[must_use]
    pub fn name(&self) -> &'static str {
        if self.is_flaky() { "flaky" } else { self.verdict.name() }
    }

    /// What the verdict notes, and what came of the attempts before.
    #[must_use]
    pub fn note(&self) -> String {
        let note = self.verdict.note();
        let number = self.attempts.len();
        let before = &self.attempts[..number.saturating_sub(1)];
        if before.is_empty() {
            return note.to_owned();
        }
        if before.iter().all(|attempt| attempt.verdict == self.verdict) {
            return format!("{note}, in each of {number} attempts");
        }
        let before: Vec<&str> = before.iter().map(|attempt| attempt.verdict.note()).collect();
        let before = before.join("; ");
        match (self.verdict.is_passed(), note) {
            (true, "") => format!("passed in attempt {number}, before: {before}"),
            (true, _) => format!("passed in attempt {number}, {note}, before: {before}"),
            (false, _) => format!("{note}, in attempt {number}, before: {before}"),
        }
    }

    /// How long all attempts took.
    #[must_use]
    pub fn time(&self) -> Duration {
        self.attempts.iter().map(|attempt| attempt.time).sum()
    }

    fn not_run(test: &Test, why: &str) -> Self {
        Self {
            test: test.clone(),
            state: State::default(),
            verdict: Verdict::NotRun(why.to_owned()),
            attempts: Vec::new(),
            tail: String::new(),
        }
    }
}

/// What happens.
#[derive(Debug)]
pub enum Event<'a> {
    /// The test of that index is started.
    Started(usize),
    /// One has ended.
    Ended(usize, &'a Outcome),
}

/// What came of all.
#[derive(Debug)]
pub struct Run {
    /// One for each test, in their order.
    pub outcomes: Vec<Outcome>,
    /// Why not all were run, if nobody stopped them.
    pub error: Option<Error>,
}

enum Message {
    Started(usize),
    Ended(usize, Outcome),
    Failed(Error),
}

/// Runs the tests and says what happens as it happens. When `is_stopped` says so, those that run are ended, and no more
/// are started.
pub fn run(
    launcher: &impl Launcher,
    tests: &[Test],
    options: &Options<'_>,
    is_stopped: &(dyn Fn() -> bool + Sync),
    mut tell: impl FnMut(Event<'_>),
) -> Run {
    let mut outcomes: Vec<Option<Outcome>> = tests.iter().map(|_| None).collect();
    let mut error = None;
    let is_broken = AtomicBool::new(false);
    let is_stopped = || is_stopped() || is_broken.load(Ordering::Relaxed);
    let crew = Crew {
        launcher,
        tests,
        options,
        is_stopped: &is_stopped,
        next: AtomicUsize::new(0),
    };
    thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for _ in 0..options.jobs.clamp(1, tests.len().max(1)) {
            let (crew, sender) = (&crew, sender.clone());
            let worker = thread::Builder::new().spawn_scoped(scope, move || crew.work(&sender));
            if let Err(source) = worker {
                // Those that are there do the work.
                error = Some(Error::Watch(source));
                break;
            }
        }
        drop(sender);
        for message in receiver {
            match message {
                Message::Started(index) => tell(Event::Started(index)),
                Message::Ended(index, outcome) => {
                    tell(Event::Ended(index, &outcome));
                    outcomes[index] = Some(outcome);
                }
                Message::Failed(source) => {
                    is_broken.store(true, Ordering::Relaxed);
                    error.get_or_insert(source);
                }
            }
        }
    });
    let why = if is_broken.load(Ordering::Relaxed) {
        "the tests could not go on"
    } else {
        "interrupted"
    };
    let all = outcomes.into_iter().zip(tests);
    let outcomes: Vec<_> = all
        .map(|(outcome, test)| outcome.unwrap_or_else(|| Outcome::not_run(test, why)))
        .collect();
    // With one worker less they were run as well.
    let is_complete = outcomes.iter().all(|outcome| !outcome.attempts.is_empty());
    Run {
        outcomes,
        error: error.filter(|_| !is_complete),
    }
}

struct Crew<'a, L> {
    launcher: &'a L,
    tests: &'a [Test],
    options: &'a Options<'a>,
    is_stopped: &'a (dyn Fn() -> bool + Sync),
    /// The test that is to be run next.
    next: AtomicUsize,
}

impl<L: Launcher> Crew<'_, L> {
    fn work(&self, sender: &Sender<Message>) {
        while !(self.is_stopped)() {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(test) = self.tests.get(index) else {
                return;
            };
            // Who receives is there until all have ended.
            let _ = sender.send(Message::Started(index));
            let _ = match self.run(test) {
                Ok(Some(outcome)) => sender.send(Message::Ended(index, outcome)),
                Ok(None) => return,
                Err(error) => {
                    let _ = sender.send(Message::Failed(error));
                    return;
                }
            };
        }
    }

    /// Runs it until it does not fail, or as often as is asked for; `None`: it was interrupted before that said
    /// anything.
    fn run(&self, test: &Test) -> Result<Option<Outcome>, Error> {
        let mut attempts = Vec::new();
        let mut tail = String::new();
        for number in 1..=self.options.retries.saturating_add(1) {
            let Some((attempt, printed)) = self.attempt(test, number)? else {
                break;
            };
            let is_failure = matches!(attempt.verdict, Verdict::Failed(_));
            tail = if attempt.verdict.is_passed() {
                String::new()
            } else {
                end_of(&printed)
            };
            attempts.push(attempt);
            if !is_failure {
                break;
            }
        }
        Ok(attempts.last().cloned().map(|last| Outcome {
            test: test.clone(),
            state: last.state,
            verdict: last.verdict,
            attempts,
            tail,
        }))
    }

    fn attempt(&self, test: &Test, number: u32) -> Result<Option<(Attempt, Vec<u8>)>, Error> {
        let mut command = self.launcher.command(test);
        let path = self
            .options
            .folder
            .map(|folder| folder.file(test, number))
            .unwrap_or_default();
        let file = self
            .options
            .folder
            .map(|folder| folder.create(test, number))
            .transpose();
        let mut file = file.map_err(|source| Failure::Keep(source).error(&command, &path))?;
        let limits = Limits {
            time: self.options.timeout,
            output: MOST << 20,
            is_stopped: self.is_stopped,
        };
        let start = Instant::now();
        let result = attempt::run(&mut command, &limits, |bytes| match &mut file {
            Some(file) => file.write_all(bytes),
            None => Ok(()),
        });
        let time = start.elapsed();
        let (end, printed) = result.map_err(|failure| failure.error(&command, &path))?;
        let ending = match end {
            End::Itself(status) => self.launcher.ending(status, &printed),
            End::Timeout => Ending::Timeout,
            End::Flood => Ending::Flood(MOST),
            End::Stopped => return Ok(None),
        };
        let banner = Banner::parse(&String::from_utf8_lossy(&printed.all));
        let attempt = Attempt {
            state: banner.state,
            verdict: verdict::judge(test.expects, &banner, ending),
            time,
            kept: self.options.folder.map(|_| path),
        };
        Ok(Some((attempt, printed.all)))
    }
}

fn end_of(printed: &[u8]) -> String {
    String::from_utf8_lossy(&printed[printed.len().saturating_sub(TAIL)..]).into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::{Command, ExitStatus};
    use std::sync::Mutex;

    use super::*;
    use crate::testing::{Expects, Printed};

    /// Runs what a test is called in a shell, in a folder.
    struct Shell<'a>(&'a Path);

    impl Launcher for Shell<'_> {
        fn command(&self, test: &Test) -> Command {
            let mut command = Command::new("sh");
            command.args(["-c", &test.name]).current_dir(self.0);
            command
        }

        fn ending(&self, status: ExitStatus, _: &Printed) -> Ending {
            Ending::Stopped(status.code().unwrap_or(-1))
        }
    }

    const OPTIONS: Options<'_> = Options {
        jobs: 3,
        timeout: Duration::from_secs(60),
        retries: 0,
        folder: None,
    };

    fn tests(scripts: &[&str]) -> Vec<Test> {
        let test = |script: &&str| Test {
            group: String::new(),
            name: (*script).to_owned(),
            file: PathBuf::new(),
            part: None,
            expects: Expects::BannerOrSuccess,
        };
        scripts.iter().map(test).collect()
    }

    fn said(run: &Run) -> Vec<(&'static str, String)> {
        run.outcomes
            .iter()
            .map(|outcome| (outcome.name(), outcome.note()))
            .collect()
    }

    #[test]
    fn outcomes_are_in_the_order_of_the_tests() {
        let folder = tempfile::tempdir().expect("a folder");
        let tests = tests(&["sleep 0.5", "echo no; exit 7", "true"]);
        let mut order = Vec::new();
        let run = run(&Shell(folder.path()), &tests, &OPTIONS, &|| false, |event| {
            if let Event::Ended(index, _) = event {
                order.push(index);
            }
        });
        assert_eq!(order.last(), Some(&0), "{order:?}");
        let passed = ("passed", String::new());
        assert_eq!(
            said(&run),
            [passed.clone(), ("FAILED", "ended with status 7".to_owned()), passed]
        );
        assert_eq!(run.outcomes[1].tail, "no\n");
        assert!(run.error.is_none());
    }

    /// A program that fails until it has been run that often.
    #[test]
    fn who_passes_at_a_later_attempt_is_flaky_and_all_attempts_are_kept() {
        let temporary = tempfile::tempdir().expect("a folder");
        let tests = tests(&["echo x >>count; lines=$(wc -l <count); echo $lines; [ $lines -ge 3 ]"]);
        let try_again = |retries| {
            let folder = Folder::open(&temporary.path().join("kept")).expect("a folder");
            fs::write(temporary.path().join("count"), "").expect("a file");
            let options = Options {
                retries,
                folder: Some(&folder),
                ..OPTIONS
            };
            run(&Shell(temporary.path()), &tests, &options, &|| false, |_| {})
        };
        let failed = "ended with status 1";
        let flaky = try_again(5);
        let note = format!("passed in attempt 3, before: {failed}; {failed}");
        assert_eq!(said(&flaky), [("flaky", note)]);
        let outcome = &flaky.outcomes[0];
        assert!(outcome.is_flaky() && outcome.verdict.is_passed());
        let kept = outcome
            .attempts
            .iter()
            .map(|attempt| attempt.kept.as_ref().expect("it is kept"));
        let kept: Vec<_> = kept.map(|file| fs::read_to_string(file).expect("a file")).collect();
        assert_eq!(kept, ["1\n", "2\n", "3\n"]);

        let note = format!("{failed}, in each of 2 attempts");
        assert_eq!(said(&try_again(1)), [("FAILED", note)]);
        assert_eq!(said(&try_again(0)), [("FAILED", failed.to_owned())]);
    }

    #[test]
    fn attempts_that_fail_in_different_ways_are_told_apart() {
        let folder = tempfile::tempdir().expect("a folder");
        let tests = tests(&["echo x >>count; exit $(wc -l <count)"]);
        let options = Options { retries: 1, ..OPTIONS };
        let run = run(&Shell(folder.path()), &tests, &options, &|| false, |_| {});
        let note = "ended with status 2, in attempt 2, before: ended with status 1";
        assert_eq!(said(&run), [("FAILED", note.to_owned())]);
    }

    #[test]
    fn who_passes_or_is_skipped_is_run_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let tests = tests(&[
            "true",
            "echo '*** BEGIN OF TEST A ***'; echo '*** TEST STATE: BENCHMARK'",
        ]);
        let options = Options { retries: 2, ..OPTIONS };
        let run = run(&Shell(folder.path()), &tests, &options, &|| false, |_| {});
        let attempts: Vec<_> = run.outcomes.iter().map(|outcome| outcome.attempts.len()).collect();
        assert_eq!(attempts, [1, 1]);
        assert_eq!(run.outcomes[1].name(), "skipped");
    }

    #[test]
    fn what_was_not_run_is_told_when_they_are_stopped() {
        let folder = tempfile::tempdir().expect("a folder");
        let tests = tests(&["true", "sleep 1000", "true"]);
        let stopped = AtomicBool::new(false);
        let options = Options { jobs: 1, ..OPTIONS };
        let is_stopped = || stopped.load(Ordering::Relaxed);
        let run = run(&Shell(folder.path()), &tests, &options, &is_stopped, |event| {
            if matches!(event, Event::Started(1)) {
                stopped.store(true, Ordering::Relaxed);
            }
        });
        let not_run = ("not run", "interrupted".to_owned());
        assert_eq!(said(&run), [("passed", String::new()), not_run.clone(), not_run]);
    }

    /// What failed before it was interrupted has failed.
    #[test]
    fn an_attempt_that_is_interrupted_says_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let tests = tests(&["[ -e again ] && { touch third; sleep 1000; }; touch again; false"]);
        let options = Options { retries: 3, ..OPTIONS };
        let third = folder.path().join("third");
        let run = run(&Shell(folder.path()), &tests, &options, &|| third.exists(), |_| {});
        assert_eq!(said(&run), [("FAILED", "ended with status 1".to_owned())]);
    }

    #[test]
    fn output_that_cannot_be_kept_ends_all_with_an_error() {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(temporary.path()).expect("a folder");
        let tests = tests(&["true", "echo", "sleep 1000"]);
        std::os::unix::fs::symlink("/dev/full", folder.file(&tests[1], 1)).expect("a link");
        let options = Options {
            folder: Some(&folder),
            ..OPTIONS
        };
        let run = run(&Shell(temporary.path()), &tests, &options, &|| false, |_| {});
        let error = run.error.expect("the device is full").to_string();
        assert!(error.contains("echo.log: No space left on device"), "{error}");
        assert!(matches!(run.outcomes[2].verdict, Verdict::NotRun(_)));
    }

    #[test]
    fn no_more_run_at_a_time_than_asked_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let tests = tests(&["mkdir busy && sleep 0.1 && rmdir busy"; 5]);
        let options = Options { jobs: 1, ..OPTIONS };
        let events = Mutex::new(Vec::new());
        let run = run(&Shell(folder.path()), &tests, &options, &|| false, |event| {
            events
                .lock()
                .expect("ours")
                .push(format!("{event:?}").starts_with("Started"));
        });
        assert!(run.outcomes.iter().all(|outcome| outcome.verdict.is_passed()));
        assert_eq!(events.into_inner().expect("ours"), [true, false].repeat(5));
    }
}
