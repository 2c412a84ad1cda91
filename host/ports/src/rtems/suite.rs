// SPDX-License-Identifier: MIT OR Apache-2.0
//! Running many programs at once.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::group::Program;
use super::host::Host;
use super::reason::Reasons;
use super::verdict::{self, Banner, State, Verdict};
use paravirt_build::command;

/// A line of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The folder in `testsuites`.
    pub group: String,
    /// The program.
    pub test: String,
    /// What RTEMS expects of it.
    pub state: State,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Why it did not pass, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How long it ran.
    pub seconds: f64,
}

impl Entry {
    /// The test's name with its group.
    pub fn name(&self) -> String {
        format!("{}/{}", self.group, self.test)
    }

    /// Returns whether another is about the same test.
    pub fn is_same_test(&self, other: &Self) -> bool {
        self.group == other.group && self.test == other.test
    }

    /// What the verdict notes, and the reason.
    pub fn note(&self) -> String {
        let note = self.verdict.note();
        match &self.reason {
            Some(reason) => format!("{note}; known: {reason}"),
            None => note.to_owned(),
        }
    }
}

/// Runs `programs`, `jobs` at a time, each for `limit` at most, and tells each result to `done`, in the order in which
/// they come. What a program prints goes to `<logs>/<group>/<name>.log`. The entries come back in the order of
/// `programs`.
pub fn run(
    host: &Host,
    programs: &[Program],
    limit: Duration,
    jobs: usize,
    logs: &Path,
    reasons: &Reasons,
    mut done: impl FnMut(usize, &Entry),
) -> Result<Vec<Entry>> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let mut entries: Vec<Option<Entry>> = vec![None; programs.len()];
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            let sender = sender.clone();
            let next = &next;
            scope.spawn(move || {
                while let Some((index, program)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    programs.get(index).map(|program| (index, program))
                } {
                    let result = run_one(host, program, limit, logs, reasons);
                    if sender.send((index, result)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for (count, (index, result)) in receiver.iter().enumerate() {
            let entry = result?;
            done(count + 1, &entry);
            entries[index] = Some(entry);
        }
        Ok(entries.into_iter().flatten().collect())
    })
}

fn run_one(host: &Host, program: &Program, limit: Duration, logs: &Path, reasons: &Reasons) -> Result<Entry> {
    let folder = logs.join(program.group.name());
    fs::create_dir_all(&folder)?;
    let log = folder.join(format!("{}.log", program.name));
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let start = Instant::now();
    let status = command::limited(&host.command(&program.path, &[]), limit)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
        .with_context(|| format!("cannot start {}", program.name))?;
    let seconds = start.elapsed().as_secs_f64();
    let output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let banner = Banner::parse(&output);
    let ending = host.ending(status, &output);
    let verdict = if program.banner {
        verdict::judge(&banner, ending)
    } else {
        verdict::judge_silent(ending)
    };
    let group = program.group.name();
    let reason = reasons
        .why(host.kind.name(), &group, &program.name)
        .filter(|_| !verdict.is_passed())
        .map(str::to_owned);
    Ok(Entry {
        group,
        test: program.name.clone(),
        state: banner.state,
        verdict,
        reason,
        seconds: (seconds * 100.0).round() / 100.0,
    })
}
