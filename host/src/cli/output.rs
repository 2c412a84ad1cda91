// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where results and messages go.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::Path;
#[cfg(process_host)]
use std::thread;
#[cfg(process_host)]
use std::time::{Duration, Instant};

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
    #[cfg(process_host)]
    #[error(
        "{file} and {other} are one; give each result a name of its own",
        file = Escaped(file),
        other = Escaped(other)
    )]
    Twice { file: String, other: String },
    #[error("{file} is a terminal, and the result is no text; name a file, or have standard output go to one or to a \
        pipe", file = Escaped(file))]
    Terminal { file: String },
}

#[cfg(process_host)]
impl WriteError {
    /// Whether nobody was ready to read in time.
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self, Self::Write { source, .. } if source.kind() == io::ErrorKind::TimedOut)
    }
}

/// Writes to standard error. That nobody can be told changes nothing else: least of all the exit status.
pub(super) fn print_message(text: &str) {
    let _ = streams::stderr(text.as_bytes());
}

/// From then on nothing waits long for its reader. The program has been asked to end, or will be by its time limit.
#[cfg(process_host)]
pub(super) fn hurry_from(time: Instant) {
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
    if bytes.contains(&0) {
        check_terminal(file, &target)?;
    }
    let is_stdout = target.is_stdout();
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

/// A place for a result that is written when the guest has ended.
#[cfg(process_host)]
#[derive(Debug)]
pub(super) enum Late {
    File(LateFile),
    Stream(File),
}

#[cfg(process_host)]
impl Late {
    /// A result about that guest. What the name stands for is found out now: later no link is followed. A FIFO's reader
    /// is waited for until `end`, if there is one.
    pub(super) fn open(file: &Path, is_text: bool, guest: &Path, end: Option<Instant>) -> Result<Self, WriteError> {
        let target = target(file, &[guest])?;
        if !is_text {
            check_terminal(file, &target)?;
        }
        let late = match target {
            Target::File { file, .. } => LateFile::replace(&file, None).map(Self::File),
            Target::Other(file) => open_until(&file, end).map(Self::Stream),
            Target::Open(file) => Ok(Self::Stream(file)),
        };
        late.map_err(|source| lost(file.display(), source))
    }

    /// Writes it, of this content.
    pub(super) fn write(self, content: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write(content),
            Self::Stream(stream) => write_stream(&stream, content),
        }
    }
}

/// Opens what is no file to write to it. From `end` on, that nobody reads is [`TimedOut`](io::ErrorKind::TimedOut).
#[cfg(process_host)]
fn open_until(file: &Path, end: Option<Instant>) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    const PAUSE: Duration = Duration::from_millis(10);
    let mut options = File::options();
    options.write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    loop {
        match options.open(file) {
            Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {}
            open => return open,
        }
        if end.is_some_and(|end| end <= Instant::now()) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        thread::sleep(PAUSE);
    }
}

/// Refuses two results of one name, of which one would be lost, or be amid the other.
#[cfg(process_host)]
pub(super) fn check_different(files: &[&Path]) -> Result<(), WriteError> {
    let mut before: Vec<(&Path, Target)> = Vec::new();
    for &file in files {
        // What is no place for a result is refused when it is opened.
        let Ok(target) = Target::find(file) else { continue };
        if let Some((other, _)) = before.iter().find(|(_, before)| before.is_in_the_way_of(&target)) {
            return Err(WriteError::Twice {
                file: file.display().to_string(),
                other: other.display().to_string(),
            });
        }
        before.push((file, target));
    }
    Ok(())
}

fn check_terminal(file: &Path, target: &Target) -> Result<(), WriteError> {
    if target.is_stdout() && io::stdout().is_terminal() {
        let file = file.display().to_string();
        return Err(WriteError::Terminal { file });
    }
    Ok(())
}

#[cfg(process_host)]
mod streams {
    use std::io;
    use std::os::fd::AsFd;
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::time::{Duration, Instant};

    use pvhost::streams::{wait_for_room, write_as_it_is};
    use rustix::io::Errno;

    /// Who is in a hurry waits that long for a reader.
    const GRACE: Duration = Duration::from_millis(200);
    /// Milliseconds until it looks at the time.
    const WAIT: u32 = 50;

    /// How long what is written waits for its reader.
    struct Hurry {
        /// From when on not long.
        from: Option<Instant>,
        /// Once something has been given up since that was said, what comes gets no more time: it may be much.
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

    pub(super) fn stderr(bytes: &[u8]) -> io::Result<()> {
        all(&io::stderr(), bytes)
    }

    /// Writes all, unless the reader takes too long for who is in a hurry: then it is
    /// [`TimedOut`](io::ErrorKind::TimedOut).
    pub(super) fn all(file: &impl AsFd, bytes: &[u8]) -> io::Result<()> {
        let start = Instant::now();
        let mut rest = bytes;
        while !rest.is_empty() {
            match write_as_it_is(file, rest) {
                Ok(count) => rest = &rest[count..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if gives_up(start) => return Err(io::ErrorKind::TimedOut.into()),
                Err(Errno::AGAIN) => {
                    wait_for_room(file, WAIT);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether what is being written since `start` is given up.
    fn gives_up(start: Instant) -> bool {
        let mut hurry = hurry();
        let from = hurry.from.map(|from| from.max(start));
        hurry.is_given_up |= from.is_some_and(|from| from.elapsed() >= GRACE);
        hurry.is_given_up
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
