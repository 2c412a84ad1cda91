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

use pvhost::coverage::{CoverageError, Data, DataFile, Folder, MAX_BYTES, MAX_FILES, MAX_NAME, collect, profile, stem};
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
    outcome: Result<String, String>,
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
            outcome: Ok(String::new()),
        }))))
    }

    /// Has the counters of that guest written.
    pub(super) fn collect(&self, ended: &Ended<'_>) {
        let mut state = self.0.borrow_mut();
        let state = &mut *state;
        state.outcome = Counters::of(ended)
            .map_err(|error| error.to_string())
            .and_then(|counters| {
                let mut to = state.to.take().into_iter();
                // If the other process has given up, its report says why.
                let _ = to.try_for_each(|mut to| counters.send(&mut to));
                drop(to);
                let mut report = String::new();
                let read = (&mut state.from).take(MAX_REPORT).read_to_string(&mut report);
                read.map_err(|error| error.to_string())?;
                match report.strip_suffix(DONE) {
                    Some("") => Ok(counters.said()),
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
            Ok(said) if !quiet => say::note(said),
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

/// What goes to the other process.
#[derive(Default)]
struct Counters {
    /// Of C and C++.
    files: Vec<DataFile>,
    /// Of Rust, with the file's name.
    profile: Option<(Vec<u8>, Vec<u8>)>,
}

impl Counters {
    /// Those of a guest that has ended.
    fn of(ended: &Ended<'_>) -> Result<Self, CoverageError> {
        let profile = profile(ended.image, ended.memory)?;
        let files = match collect(ended.image, ended.memory) {
            Err(CoverageError::None) if profile.is_some() => Vec::new(),
            files => files?,
        };
        let name = format!("{}.profraw", stem(ended.image)).into_bytes();
        let profile = profile.map(|profile| (name, profile));
        Ok(Self { files, profile })
    }

    fn said(&self) -> String {
        let files = match self.files.len() {
            0 => None,
            1 => Some("1 object file".to_owned()),
            count => Some(format!("{count} object files")),
        };
        let profile = self.profile.as_ref().map(|_| "Rust code".to_owned());
        let parts: Vec<_> = files.into_iter().chain(profile).collect();
        format!("coverage of {}", parts.join(", and "))
    }

    /// Name and content of each file behind their lengths, and two lengths of 0.
    fn send(&self, to: &mut impl Write) -> io::Result<()> {
        let mut send = |name: &[u8], bytes: &[u8]| {
            for length in [name.len(), bytes.len()] {
                to.write_all(&(length as u32).to_le_bytes())?;
            }
            to.write_all(name)?;
            to.write_all(bytes)
        };
        for file in &self.files {
            send(&file.name, &file.data.bytes())?;
        }
        if let Some((name, profile)) = &self.profile {
            send(name, profile)?;
        }
        send(&[], &[])
    }

    /// What the other process gets; `None`: not all has come, or it is more than there may be.
    fn receive(from: &mut impl Read) -> Option<Self> {
        let mut counters = Self::default();
        let mut left = 3 * MAX_BYTES;
        while let Some((name, bytes)) = receive(from).ok()? {
            left = left.checked_sub(name.len() + bytes.len())?;
            if name.ends_with(b".profraw") {
                counters.profile = Some((name, bytes));
                continue;
            }
            let data = Data::parse(&bytes).ok()?;
            left = left.checked_sub(data.size())?;
            counters.files.push(DataFile { name, data });
            if counters.files.len() > MAX_FILES {
                return None;
            }
        }
        Some(counters)
    }
}

/// Name and content of the next file; `None`: that was all.
fn receive(from: &mut impl Read) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
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
    Ok(Some((name, bytes)))
}

/// The other process: writes what comes on standard input into the folder, and says on standard output what it could
/// not.
pub(super) fn write(folder: &Path) -> ExitStatus {
    signal::let_sigpipe_end_it();
    let mut from = io::stdin().lock();
    // Nothing is written until all has come: a run that is ended on the way has no coverage.
    let Some(counters) = Counters::receive(&mut from) else {
        return FAILURE;
    };
    let errors = match Folder::open(folder) {
        Ok(folder) => {
            let mut errors = folder.write_all(&counters.files);
            let profile = counters.profile.iter();
            errors.extend(profile.filter_map(|(name, profile)| folder.write_profile(name, profile).err()));
            errors
        }
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
