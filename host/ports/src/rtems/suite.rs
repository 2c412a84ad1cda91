// SPDX-License-Identifier: MIT OR Apache-2.0
//! RTEMS' own programs: which there are, and running many of them at once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::host::Host;
use super::reason::Reasons;
use super::verdict::{self, Banner, State, Verdict};
use paravirt_build::command;

/// A folder of `testsuites`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Group {
    /// Small programs, as a start for others.
    Samples,
    /// The classic API.
    Sptests,
    /// POSIX.
    Psxtests,
    /// Times of POSIX.
    Psxtmtests,
    /// Times of the classic API.
    Tmtests,
    /// Libraries of RTEMS.
    Libtests,
    /// File systems.
    Fstests,
    /// Units of the kernel and of its libraries.
    Unit,
    /// Every requirement of RTEMS' specification.
    Validation,
    /// Dhrystone, Linpack and Whetstone.
    Benchmarks,
    /// The Rhealstone benchmarks.
    Rhealstone,
    /// Several processors. RTEMS builds none of them for a BSP with one.
    Smptests,
}

impl Group {
    /// The name of the folder, which is that of the option's value.
    pub fn name(self) -> String {
        let value = self.to_possible_value().expect("no group is hidden from the option");
        value.get_name().to_owned()
    }

    /// RTEMS' option that has the group built.
    pub fn option(self) -> String {
        let tests = match self {
            Self::Unit | Self::Validation => "TESTS",
            _ => "",
        };
        format!("BUILD_{}{tests}", self.name().to_uppercase())
    }
}

/// A program to run.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its group.
    pub group: Group,
    /// Its name.
    pub name: String,
    /// The ELF.
    pub path: PathBuf,
    /// Whether it prints RTEMS' banner.
    pub banner: bool,
}

/// At the end of the name of a program that RTEMS builds to see that it links. The sample among them is meant to run,
/// but prints nothing.
const LINK_TEST: &str = ".norun";

/// The programs of `group` below the folder `testsuites`, sorted by name.
///
/// # Errors
/// There are none, though the BSP should have some.
pub fn programs(testsuites: &Path, group: Group) -> Result<Vec<Program>> {
    let folder = testsuites.join(group.name());
    if group == Group::Smptests && !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut programs = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("there are no programs in {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "exe") {
            continue;
        }
        let stem = path.file_stem().context("a program has a name")?.to_string_lossy();
        let name = stem.strip_suffix(LINK_TEST).unwrap_or(&stem);
        if name != stem && group != Group::Samples {
            continue;
        }
        programs.push(Program {
            group,
            name: name.to_owned(),
            banner: name == stem,
            path,
        });
    }
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(programs)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_the_executables_of_a_group_and_minimum_prints_nothing() {
        let testsuites = std::env::temp_dir().join(format!("paravirt-group-{}", std::process::id()));
        let folder = testsuites.join("samples");
        fs::create_dir_all(&folder).expect("a folder");
        for name in ["hello.exe", "minimum.norun.exe", "hello.o"] {
            fs::write(folder.join(name), "").expect("a file");
        }
        fs::create_dir_all(testsuites.join("libtests")).expect("a folder");
        fs::write(testsuites.join("libtests/open.norun.exe"), "").expect("a file");
        let libtests = programs(&testsuites, Group::Libtests);
        let smptests = programs(&testsuites, Group::Smptests);
        let sptests = programs(&testsuites, Group::Sptests);
        let found = programs(&testsuites, Group::Samples);
        fs::remove_dir_all(&testsuites).expect("ours");
        assert!(libtests.expect("there are programs").is_empty());
        assert!(smptests.expect("none for one processor").is_empty());
        sptests.expect_err("these are for every BSP");
        let found: Vec<(String, bool)> = found
            .expect("there are programs")
            .into_iter()
            .map(|program| (program.name, program.banner))
            .collect();
        assert_eq!(found, [("hello".to_owned(), true), ("minimum".to_owned(), false)]);
    }
}
