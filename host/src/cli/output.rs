// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where results and messages go.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;

#[cfg(process_host)]
use pvhost::process::LateFile;
use pvhost::text::Escaped;

use super::replace::{self, Mode, Target};
#[cfg(process_host)]
use super::signal;
use super::{read, say};

/// A result could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("cannot write {target}: {source}", target = Escaped(target))]
    Write { target: String, source: io::Error },
    #[error(
        "{file} is the file {input}, which would be lost; give the result another name",
        file = Escaped(file),
        input = Escaped(input)
    )]
    Same { file: String, input: String },
    #[error("{file} is a terminal, and the result is no text; name a file, or have standard output go to one or to a \
        pipe", file = Escaped(file))]
    Terminal { file: String },
}

/// Writes to standard error. That nobody can be told changes nothing else: least of all the exit status.
pub(super) fn print_message(text: &str) {
    let _ = streams::stderr(text.as_bytes());
}

/// From then on no message waits long for its reader. The program has been asked to end, or will be by its time limit.
#[cfg(process_host)]
pub(super) fn hurry_from(time: std::time::Instant) {
    streams::hurry_from(time);
}

/// Writes to standard output.
pub(super) fn print(text: &str) -> Result<(), WriteError> {
    streams::stdout(text.as_bytes()).map_err(|source| lost("standard output", source))
}

/// Writes all of a result to what is no file, such as a pipe, at the pace of who reads it.
pub(super) fn write_stream(file: &File, bytes: &[u8]) -> io::Result<()> {
    streams::all(file, bytes)
}

/// What could not be written. A reader that has seen enough and closed its pipe is the program's end, as of others.
fn lost(target: impl ToString, source: io::Error) -> WriteError {
    #[cfg(process_host)]
    if source.kind() == io::ErrorKind::BrokenPipe && signal::is_deadly(libc::SIGPIPE) {
        signal::die_by(libc::SIGPIPE);
    }
    WriteError::Write {
        target: target.to_string(),
        source,
    }
}

/// Writes a result to a file, whole or not at all, where `inputs` are what it was made of. `summary` is printed, unless
/// the file is standard output, where it would be taken for a part of it; then it is said.
pub(super) fn write(
    file: &Path,
    bytes: &[u8],
    mode: Mode<'_>,
    inputs: &[&Path],
    summary: &str,
) -> Result<(), WriteError> {
    let target = target(file, inputs)?;
    let is_stdout = target.is_stdout();
    if is_stdout && io::stdout().is_terminal() && bytes.contains(&0) {
        let file = file.display().to_string();
        return Err(WriteError::Terminal { file });
    }
    replace::write(&target, bytes, mode).map_err(|source| lost(file.display(), source))?;
    if is_stdout {
        say::say(summary);
        Ok(())
    } else {
        print(&say::for_stdout(summary))
    }
}

/// What that name stands for, unless it is one of the `inputs`.
fn target(file: &Path, inputs: &[&Path]) -> Result<Target, WriteError> {
    let target = Target::find(file).map_err(|source| lost(file.display(), source))?;
    match (inputs.iter()).find(|input| target.is_file(read::name(input))) {
        None => Ok(target),
        Some(input) => Err(WriteError::Same {
            file: file.display().to_string(),
            input: input.display().to_string(),
        }),
    }
}

/// A file for a result about that guest, which is written when it has ended. What the name stands for is found out now:
/// later no link is followed.
#[cfg(process_host)]
pub(super) fn late(file: &Path, guest: &Path) -> Result<LateFile, WriteError> {
    let late = match target(file, &[guest])? {
        Target::File { file, .. } => LateFile::replace(&file, None),
        Target::Other(file) => (File::options().write(true).open(file)).map(|file| LateFile::open(file.into())),
        Target::Open(file) => Ok(LateFile::open(file.into())),
    };
    late.map_err(|source| lost(file.display(), source))
}

#[cfg(process_host)]
mod streams {
    use std::io;
    use std::os::fd::AsFd;
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::time::{Duration, Instant};

    use pvhost::streams::Stream;
    use rustix::io::Errno;

    /// Who is in a hurry waits that long for a reader.
    const GRACE: Duration = Duration::from_millis(200);
    /// Milliseconds until it looks at the time.
    const WAIT: u32 = 50;

    /// How long messages wait for their reader.
    struct Hurry {
        /// From when on not long.
        from: Option<Instant>,
        /// A reader that one message has been given up for since that was said gets no more time for the next ones,
        /// which may be many.
        is_given_up: bool,
    }

    fn hurry() -> MutexGuard<'static, Hurry> {
        static HURRY: Mutex<Hurry> = Mutex::new(Hurry {
            from: None,
            is_given_up: false,
        });
        HURRY.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hurry_from(time: Instant) {
        *hurry() = Hurry {
            from: Some(time),
            is_given_up: false,
        };
    }

    pub(super) fn stdout(bytes: &[u8]) -> io::Result<()> {
        all(&io::stdout(), bytes)
    }

    pub(super) fn all(file: &impl AsFd, bytes: &[u8]) -> io::Result<()> {
        write(file, bytes, || false)
    }

    pub(super) fn stderr(bytes: &[u8]) -> io::Result<()> {
        let start = Instant::now();
        write(&io::stderr(), bytes, || {
            let mut hurry = hurry();
            let from = hurry.from.map(|from| from.max(start));
            hurry.is_given_up |= from.is_some_and(|from| from.elapsed() >= GRACE);
            hurry.is_given_up
        })
    }

    /// Writes all, unless somebody gives up.
    fn write(file: &impl AsFd, bytes: &[u8], gives_up: impl Fn() -> bool) -> io::Result<()> {
        let stream = Stream::writer_as_it_is(file.as_fd().try_clone_to_owned()?);
        let mut rest = bytes;
        while !rest.is_empty() {
            match stream.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if !gives_up() => stream.wait(WAIT),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

#[cfg(not(process_host))]
mod streams {
    use std::fs::File;
    use std::io::{self, Write};

    pub(super) fn stdout(bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush())
    }

    pub(super) fn all(mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    pub(super) fn stderr(bytes: &[u8]) -> io::Result<()> {
        io::stderr().write_all(bytes)
    }
}
