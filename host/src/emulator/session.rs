// SPDX-License-Identifier: MIT OR Apache-2.0
//! A run: streams and signals until QEMU has ended.

use std::io::{self, IsTerminal, PipeReader, Read};
use std::os::fd::AsFd;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::filter::{Filter, Part, Speaker};
use super::input::Input;
use super::lines::Lines;
use super::output::Output;
use super::qemu::Qemu;
use super::signals::Signals;
use super::xen::{Event, Log};
use super::{EmulatorError, Exit, Options, Platform, record};
use crate::terminal::{self, RawMode};

/// Time for QEMU to end after the guest has said that it does.
const GRACE: Duration = Duration::from_secs(5);
/// After such a silence of a guest that has started, what looks like the beginning of a line of Xen's is none.
const SILENCE: Duration = Duration::from_millis(200);
/// Bytes read at a time.
const CHUNK: usize = 4096;
/// Bytes of QEMU's own messages that are kept.
const MESSAGES: usize = 16 * 1024;

/// What can be waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Signal,
    Typing,
    Serial,
    Debug,
    Messages,
    Input,
    Output,
}

/// A run.
struct Session<'a> {
    qemu: Qemu,
    options: &'a Options,
    signals: Signals,
    input: Input,
    output: Output,
    /// Under Xen only.
    filter: Option<Filter>,
    log: Log,
    debug: Lines,
    messages: Vec<u8>,
    /// Which of QEMU's streams have ended.
    closed: Vec<Source>,
    /// The guest's end, and when QEMU is to have ended.
    exit: Option<(Exit, Instant)>,
}

/// Runs until QEMU has ended.
pub(super) fn run(qemu: Qemu, options: &Options) -> Result<Exit, EmulatorError> {
    let signals = Signals::wait().map_err(EmulatorError::system("cannot wait for signals"))?;
    let stdin = io::stdin();
    let _raw = stdin
        .is_terminal()
        .then(|| RawMode::enter(stdin.as_fd()))
        .flatten();
    qemu.typing
        .set_nonblocking(true)
        .map_err(EmulatorError::system("cannot set up a socket"))?;
    let output = Output::stdout();
    let session = Session {
        qemu,
        options,
        signals,
        input: Input::stdin(options.platform),
        output: output.map_err(EmulatorError::system("cannot use standard output"))?,
        filter: (options.platform != Platform::Bare).then(Filter::default),
        log: Log::default(),
        debug: Lines::default(),
        messages: Vec::new(),
        closed: Vec::new(),
        exit: None,
    };
    session.run()
}

impl Session<'_> {
    fn run(mut self) -> Result<Exit, EmulatorError> {
        // What no clock can show is never.
        let deadline =
            (self.options.timeout).and_then(|timeout| Instant::now().checked_add(timeout));
        let wait_error = EmulatorError::system("cannot wait for QEMU");
        let io_error = |what| EmulatorError::system(what);
        while !self.done() {
            let now = Instant::now();
            if deadline.is_some_and(|deadline| deadline <= now) {
                self.exit = Some((Exit::Timeout, now));
                break;
            }
            if self.exit.as_ref().is_some_and(|(_, end)| *end <= now) {
                break;
            }
            let ready = match self.wait(now, deadline) {
                Ok(ready) => ready,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(wait_error(error.into())),
            };
            for source in &ready {
                self.serve(*source)
                    .map_err(io_error("cannot write the guest's output"))?;
            }
            if ready.is_empty() && self.guest_may_mean_it() {
                self.part(|filter, take| filter.flush(take));
            }
        }
        self.part(|filter, take| filter.finish(take));
        if let Some(line) = self.debug.rest() {
            self.debug_line(&line);
        }
        self.write_rest(deadline)
            .map_err(io_error("cannot write the guest's output"))?;
        let status = if self.streams_open() {
            self.qemu.end()
        } else {
            self.qemu.wait()
        };
        let status = status.map_err(wait_error)?;
        Ok(self.report(status))
    }

    /// Writes what is left, even if nobody is in a hurry to take it; unless the guest's time is over, or somebody wants an end.
    fn write_rest(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        while let Some(file) = self.output.wanted() {
            let now = Instant::now();
            let is_hurried = matches!(&self.exit, Some((Exit::Timeout | Exit::Signal(_), _)));
            let end = if is_hurried { Some(now) } else { deadline };
            let timeout =
                end.and_then(|end| Timespec::try_from(end.saturating_duration_since(now)).ok());
            let mut files = [
                PollFd::from_borrowed_fd(file, PollFlags::OUT),
                PollFd::new(&self.signals.file, PollFlags::IN),
            ];
            match poll(&mut files, timeout.as_ref()) {
                Err(Errno::INTR) => continue,
                result => result?,
            };
            let [output, signal] = files.map(|file| !file.revents().is_empty());
            if signal {
                self.serve(Source::Signal)?;
            } else if output {
                self.output.write()?;
            } else {
                if !is_hurried {
                    self.exit = Some((Exit::Timeout, now));
                }
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether QEMU has ended: only then are all its streams closed.
    fn done(&self) -> bool {
        !self.streams_open()
    }

    fn streams_open(&self) -> bool {
        self.closed.len() < 3
    }

    /// Whether something is held back that the guest may have printed: until it has started, only Xen speaks, at times haltingly.
    fn guest_may_mean_it(&self) -> bool {
        self.log.guest_started() && self.filter.as_ref().is_some_and(Filter::holds)
    }

    /// Waits until something is to be done; what can be read or written without waiting.
    fn wait(&self, now: Instant, deadline: Option<Instant>) -> Result<Vec<Source>, Errno> {
        let mut files = vec![(
            Source::Signal,
            PollFd::new(&self.signals.file, PollFlags::IN),
        )];
        let mut add = |source, file, flags| {
            files.push((source, PollFd::from_borrowed_fd(file, flags)));
        };
        let input_due = self.input.due();
        if !self.closed.contains(&Source::Serial) {
            if self.output.has_room() {
                add(Source::Serial, self.qemu.serial.as_fd(), PollFlags::IN);
            }
            if input_due.is_some_and(|due| due <= now) {
                add(Source::Typing, self.qemu.typing.as_fd(), PollFlags::OUT);
            }
        }
        for (source, pipe) in [
            (Source::Debug, &self.qemu.debug),
            (Source::Messages, &self.qemu.messages),
        ] {
            if !self.closed.contains(&source) {
                add(source, pipe.as_fd(), PollFlags::IN);
            }
        }
        if let Some(file) = self.input.wanted() {
            add(Source::Input, file, PollFlags::IN);
        }
        if let Some(file) = self.output.wanted() {
            add(Source::Output, file, PollFlags::OUT);
        }
        let next = [
            deadline,
            self.exit.as_ref().map(|(_, end)| *end),
            input_due.filter(|&due| due > now),
            self.guest_may_mean_it().then(|| now + SILENCE),
        ];
        let timeout = next
            .into_iter()
            .flatten()
            .min()
            .and_then(|next| Timespec::try_from(next.saturating_duration_since(now)).ok());
        let (sources, mut files): (Vec<_>, Vec<_>) = files.into_iter().unzip();
        poll(&mut files, timeout.as_ref())?;
        let ready = sources.into_iter().zip(&files);
        Ok(ready
            .filter(|(_, file)| !file.revents().is_empty())
            .map(|(source, _)| source)
            .collect())
    }

    /// Does what there is to do at a source that is ready. Fails only if standard output does.
    fn serve(&mut self, source: Source) -> io::Result<()> {
        match source {
            Source::Signal => match self.signals.next() {
                Some(libc::SIGTSTP) => stop(),
                Some(signal) => self.exit = Some((Exit::Signal(signal), Instant::now())),
                None => {}
            },
            Source::Typing => self.input.write(&self.qemu.typing),
            Source::Serial => self.serial(),
            Source::Debug => {
                let mut chunk = [0; CHUNK];
                let count = read(&self.qemu.debug, &mut chunk);
                self.note_end(source, count);
                for &byte in &chunk[..count.unwrap_or(0)] {
                    if let Some(line) = self.debug.push(byte) {
                        self.debug_line(&line);
                    }
                }
            }
            Source::Messages => {
                let mut chunk = [0; CHUNK];
                let count = read(&self.qemu.messages, &mut chunk);
                self.note_end(source, count);
                let room = MESSAGES.saturating_sub(self.messages.len());
                self.messages
                    .extend(chunk[..count.unwrap_or(0)].iter().take(room));
            }
            Source::Input => self.input.read(),
            Source::Output => self.output.write()?,
        }
        Ok(())
    }

    /// Takes what the guest, and Xen, print.
    fn serial(&mut self) {
        let mut chunk = [0; CHUNK];
        let count = match rustix::io::read(&self.qemu.serial, &mut chunk) {
            Err(Errno::INTR | Errno::AGAIN) => return,
            result => result.unwrap_or(0),
        };
        self.note_end(Source::Serial, Some(count));
        if self.filter.is_none() {
            for &byte in &chunk[..count] {
                self.console(byte);
            }
            return;
        }
        for &byte in &chunk[..count] {
            self.part(|filter, take| filter.push(byte, take));
        }
    }

    /// Lets the filter act and does what comes of it.
    fn part(&mut self, act: impl FnOnce(&mut Filter, &mut dyn FnMut(Part))) {
        let Some(filter) = &mut self.filter else {
            return;
        };
        let mut parts = Vec::new();
        act(filter, &mut |part| parts.push(part));
        for part in parts {
            match part {
                Part::Console(byte) => self.console(byte),
                Part::Line(Speaker::Debug, line) => self.debug_line(&line),
                Part::Line(Speaker::Xen, line) => self.xen_line(line),
            }
        }
    }

    fn console(&mut self, byte: u8) {
        self.input.guest_printed();
        self.output.push(byte);
    }

    fn xen_line(&mut self, line: String) {
        if self.options.verbose {
            eprintln!("(XEN) {line}");
        }
        match self.log.push(line) {
            Some(Event::Started) => self.input.guest_started(),
            // What the guest itself has said counts.
            Some(Event::Ended(exit)) if self.exit.is_none() => {
                self.exit = Some((exit, Instant::now()));
            }
            Some(Event::Ended(_)) | None => {}
        }
    }

    /// A line of the guest's debug console: how it ended, or a message from before its console worked.
    fn debug_line(&mut self, line: &str) {
        match record::parse(line) {
            Some(exit) if self.exit.is_none() => self.exit = Some((exit, Instant::now() + GRACE)),
            Some(_) => {}
            None => eprintln!("guest: {}", line.escape_debug()),
        }
    }

    fn note_end(&mut self, source: Source, count: Option<usize>) {
        if count == Some(0) && !self.closed.contains(&source) {
            self.closed.push(source);
        }
    }

    /// How the guest ended; what is not for standard output goes to standard error.
    fn report(self, status: ExitStatus) -> Exit {
        let exit = match self.exit {
            Some((exit, _)) => exit,
            None => Exit::Unknown(unexplained(status)),
        };
        if matches!(exit, Exit::Unknown(_)) {
            eprint!("{}", String::from_utf8_lossy(&self.messages));
        }
        if matches!(exit, Exit::Fault | Exit::Timeout | Exit::Unknown(_)) && !self.options.verbose {
            for line in self.log.report() {
                eprintln!("(XEN) {line}");
            }
        }
        exit
    }
}

/// Reads what is there; `None`: nothing now.
fn read(mut pipe: &PipeReader, chunk: &mut [u8]) -> Option<usize> {
    match pipe.read(chunk) {
        Ok(count) => Some(count),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
        Err(_) => Some(0),
    }
}

/// Ctrl-Z: the shell gets its terminal back, and gives it back. QEMU is in the same group and gets the signal, too.
fn stop() {
    terminal::restore();
    // SAFETY: no pointers.
    unsafe { libc::raise(libc::SIGSTOP) };
    terminal::resume();
}

/// What is to be said of a QEMU that ended without a word from the guest.
fn unexplained(status: ExitStatus) -> String {
    if status.success() {
        return "the machine was reset or switched off; a processor resets itself after a fault in a fault handler".to_owned();
    }
    match status.code() {
        // What QEMU makes of a number that is written to the port.
        Some(code) if code & 1 == 1 && code > 1 => {
            "it ended QEMU by port 0xf4 without a line that says why; was it linked with another version of the guest layer?"
                .to_owned()
        }
        _ => format!("QEMU ended with {status}"),
    }
}
