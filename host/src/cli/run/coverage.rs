// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--coverage`: what was executed, into a folder of the user's.
//!
//! When the guest has ended, its thread is confined for good and may not make files, and whoever has taken it over must
//! not have another do it as he likes. So a process that was started before gets the counters through a pipe, and
//! writes only what is coverage data, only into that folder.

use std::cell::RefCell;
use std::env;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;

use pvhost::coverage::{Data, DataFile, Folder, MAX_BYTES, MAX_FILES, MAX_NAME, collect};
use pvhost::process::Ended;

use super::{ExitStatus, FAILURE, SUCCESS};
use crate::cli::{say, signal};

/// Longest report of the other process, in bytes.
const MAX_REPORT: u64 = 64 << 10;

/// Takes a guest's counters at its end.
#[derive(Clone)]
pub(super) struct Collector(Rc<RefCell<State>>);

struct State {
    to: Option<ChildStdin>,
    from: ChildStdout,
    outcome: Result<usize, String>,
}

impl Collector {
    /// Starts the other process.
    pub(super) fn start(folder: &Path) -> Result<Self, String> {
        // An error of the folder's is one before the guest's start.
        Folder::open(folder).map_err(|error| error.to_string())?;
        let start = || -> io::Result<_> {
            let mut command = Command::new(env::current_exe()?);
            command
                .args(["run", "--coverage-writer", "--coverage"])
                .arg(folder)
                .arg("-");
            // Not of the terminal's group: what ends this process lets the other one write.
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
            let mut child = command.spawn()?;
            child
                .stdin
                .take()
                .zip(child.stdout.take())
                .ok_or_else(|| io::Error::other("no pipes"))
        };
        let (to, from) = start().map_err(|error| format!("cannot run pvhost for the coverage: {error}"))?;
        Ok(Self(Rc::new(RefCell::new(State {
            to: Some(to),
            from,
            outcome: Ok(0),
        }))))
    }

    /// Has the counters of that guest written.
    pub(super) fn collect(&self, ended: &Ended<'_>) {
        let mut state = self.0.borrow_mut();
        let state = &mut *state;
        state.outcome = collect(ended.image, ended.memory)
            .map_err(|error| error.to_string())
            .and_then(|files| {
                let mut to = state.to.take().into_iter();
                // If the other process has given up, its report says why.
                let _ = to.try_for_each(|mut to| send(&files, &mut to));
                drop(to);
                let mut report = String::new();
                let read = (&mut state.from).take(MAX_REPORT).read_to_string(&mut report);
                read.map_err(|error| error.to_string())?;
                match report.strip_suffix(DONE) {
                    Some("") => Ok(files.len()),
                    Some(errors) => Err(errors.trim_end().to_owned()),
                    None => Err(format!(
                        "the process that writes coverage has ended too early: {report}"
                    )),
                }
            });
    }

    /// Says what has come of it.
    pub(super) fn say(&self, quiet: bool) {
        match &self.0.borrow().outcome {
            Ok(1) if !quiet => say::note("coverage of 1 object file"),
            Ok(files) if !quiet => say::note(format_args!("coverage of {files} object files")),
            Ok(_) => {}
            Err(error) => {
                for line in error.lines() {
                    say::error(format_args!("no coverage: {line}"));
                }
            }
        }
    }
}

/// The last line of the other process's report.
const DONE: &str = "done\n";

/// Name and content of each file behind their lengths, and two lengths of 0.
fn send(files: &[DataFile], to: &mut impl Write) -> io::Result<()> {
    for file in files {
        let bytes = file.data.bytes();
        for length in [file.name.len(), bytes.len()] {
            to.write_all(&(length as u32).to_le_bytes())?;
        }
        to.write_all(&file.name)?;
        to.write_all(&bytes)?;
    }
    to.write_all(&[0; 8])
}

/// The next file; `None`: that was all.
fn receive(from: &mut impl Read) -> io::Result<Option<DataFile>> {
    let mut length = |most: usize| {
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > most {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        Ok(length)
    };
    let (mut name, mut bytes) = (vec![0; length(MAX_NAME)?], vec![0; length(2 * MAX_BYTES)?]);
    if name.is_empty() {
        return Ok(None);
    }
    from.read_exact(&mut name)?;
    from.read_exact(&mut bytes)?;
    let data = Data::parse(&bytes).map_err(io::Error::other)?;
    Ok(Some(DataFile { name, data }))
}

/// The other process: writes what comes on standard input into the folder, and says on standard output what it could
/// not.
pub(super) fn write(folder: &Path) -> ExitStatus {
    signal::let_sigpipe_end_it();
    let mut from = io::stdin().lock();
    // Nothing is written until all has come: a run that is ended on the way has no coverage.
    let mut files = Vec::new();
    let mut left = 2 * MAX_BYTES;
    let all = loop {
        match receive(&mut from) {
            Ok(None) => break true,
            Ok(Some(file)) => {
                let size = file.data.size() + file.name.len();
                let fits = left.checked_sub(size).filter(|_| files.len() < MAX_FILES);
                let Some(rest) = fits else { break false };
                left = rest;
                files.push(file);
            }
            Err(_) => break false,
        }
    };
    if !all {
        return FAILURE;
    }
    let errors = match Folder::open(folder) {
        Ok(folder) => folder.write_all(&files),
        Err(error) => vec![error],
    };
    let mut report: String = errors
        .iter()
        .take(MOST_ERRORS)
        .map(|error| format!("{error}\n"))
        .collect();
    if errors.len() > MOST_ERRORS {
        report += &format!("and {} more\n", errors.len() - MOST_ERRORS);
    }
    report += DONE;
    match io::stdout().write_all(report.as_bytes()) {
        Ok(()) => SUCCESS,
        Err(_) => FAILURE,
    }
}

/// More are not told.
const MOST_ERRORS: usize = 5;
