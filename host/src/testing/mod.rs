// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs many guests, each as a child process, and says which did what they should: RTEMS' test programs, which say so
//! by a banner, guests that hold tests, and any others, by their exit status.
//!
//! [`find()`] finds them, [`run`] runs them several at a time, and [`Launcher`] is what each is run by: [`Pvhost`], or
//! another program for a host that `pvhost run` does not know. `pvhost test` is made of these.

mod attempt;
mod find;
mod folder;
mod held;
mod launch;
mod reasons;
mod runner;
mod verdict;

pub use attempt::{Attempt, Printed};
pub use find::{Found, find};
pub use folder::Folder;
pub use held::{Held, held_tests, holds_tests};
pub use launch::{Launcher, Pvhost, Signals, ending};
pub use reasons::{Reasons, ReasonsError};
pub use runner::{Event, Options, Outcome, Run, run};
pub use verdict::{Banner, Ending, Expects, State, Verdict, judge};

use std::ffi::OsStr;
use std::io;
use std::path::PathBuf;

use crate::text::Escaped;

/// What `pvhost run` is told as `--time` for tests of which the user says that: `fast` is `fast=20`, because many compute
/// until a time has come, and were written for processors that are as much slower.
#[must_use]
pub fn time_of_tests(time: &OsStr) -> &OsStr {
    if time == "fast" { OsStr::new("fast=20") } else { time }
}

/// A program to run, or one of the tests that a guest holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// The name of the folder that it is in, or of the guest that holds it; may be empty.
    pub group: String,
    /// Its name in the group.
    pub name: String,
    /// The guest.
    pub file: PathBuf,
    /// Of a test that a guest holds, the name by which the guest knows it.
    pub part: Option<String>,
    /// When it passes.
    pub expects: Expects,
}

impl Test {
    /// Its name with its group. What other names consist of, nobody knows: a terminal may not show it as it is.
    #[must_use]
    pub fn full_name(&self) -> String {
        if self.group.is_empty() {
            return self.name.clone();
        }
        format!("{}/{}", self.group, self.name)
    }
}

/// Why tests cannot be run, or no more of them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was named cannot be read.
    #[error("cannot read {file}: {1}", file = Escaped(.0.display()))]
    Read(PathBuf, #[source] io::Error),
    /// The program that runs a test cannot be started.
    #[error("cannot start {program}: {1}", program = Escaped(.0.display()))]
    Start(PathBuf, #[source] io::Error),
    /// Output cannot be kept.
    #[error("cannot write {file}: {1}; name another folder, or make room there", file = Escaped(.0.display()))]
    Keep(PathBuf, #[source] io::Error),
    /// Another run keeps its output there.
    #[error("another run of tests is writing to {folder}: wait for its end, or name another folder",
        folder = Escaped(.0.display()))]
    Busy(PathBuf),
    /// The system does not do what is needed to watch a program.
    #[error("cannot watch a program that runs: {0}")]
    Watch(io::Error),
}
