// SPDX-License-Identifier: MIT OR Apache-2.0
//! A run: streams and signals until QEMU has ended.

use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::core::Plan;
use super::filter::{Filter, Part, Speaker};
use super::filter::{LineBuffer, Marks};
use super::input::Input;
use super::last_state::LastState;
use super::output::Output;
use super::qemu::Qemu;
use super::signals::{self, Signals};
use super::xen::{Event, Log};
use super::{EmulatorError, Finished, MachineEnd, Options, VirtualMachine, end};
use crate::debug::core::CoreError;
use crate::image::Image;
use crate::terminal::{self, GLANCE, RawMode};
use crate::text::Escaped;

/// Time for QEMU to end after the guest has said that it does.
const GRACE: Duration = Duration::from_secs(5);
/// After such a silence of a guest that has started, what looks like the beginning of a line of Xen's, or the end of
/// one, is none.
const SILENCE: Duration = Duration::from_millis(200);
/// A QEMU whose streams have ended ends at once, and is looked at that often until it has.
const WAIT: Duration = Duration::from_millis(20);
/// Who reads the rest of what there is to say has that long if the run is to end.
const READER_GRACE: Duration = Duration::from_millis(200);
/// Bytes read at a time.
const CHUNK: usize = 4096;
/// Bytes of QEMU's own messages that are kept.
const MESSAGES: usize = 16 * 1024;

/// Why a machine has ended of which nothing else is known.
const RESET: &str = "the machine was reset or switched off; a processor resets itself after a fault in a fault handler";

/// What can be waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Signal,
    Typing,
    Serial,
    Debug,
    Messages,
    Log,
    Machine,
    Input,
    Output,
    Errors,
}

/// A run.
struct Session<'a> {
    qemu: Qemu,
    options: &'a Options,
    signals: Signals,
    input: Input,
    /// Standard input, if it is a terminal.
    terminal: Option<RawMode>,
    output: Output,
    /// On its way to standard error.
    errors: Output,
    /// Where Xen speaks on the guest's console.
    filter: Option<Filter>,
    log: Log,
    /// Where Xen has a console of its own.
    log_lines: LineBuffer,
    /// When the serial line was last heard, or not listened to.
    heard: Instant,
    debug: LineBuffer,
    messages: Vec<u8>,
    /// Which of QEMU's streams have ended.
    closed: Vec<Source>,
    image: &'a Image,
    last_state: LastState,
    /// The guest's end, and when QEMU is to have ended.
    exit: Option<(MachineEnd, Instant)>,
    /// A core that is asked for, and what has come of it.
    plan: Option<Plan>,
    core: Option<Result<PathBuf, CoreError>>,
}

/// Runs until QEMU has ended. `shown` is its command line; with `marks`, there are lines of Xen's.
pub(super) fn run(
    qemu: Qemu,
    marks: Option<Marks>,
    shown: &str,
    image: &Image,
    options: &Options,
    deadline: Option<Instant>,
    core: Option<Plan>,
) -> Result<Finished, EmulatorError> {
    let signals = Signals::wait().map_err(EmulatorError::system("cannot wait for signals"))?;
    qemu.typing
        .set_nonblocking(true)
        .map_err(EmulatorError::system("cannot set up a socket"))?;
    let output = Output::to(io::stdout());
    let errors = Output::to(io::stderr());
    let mut session = Session {
        qemu,
        options,
        signals,
        input: Input::stdin(options.platform),
        terminal: RawMode::enter(io::stdin().as_fd()),
        output: output.map_err(EmulatorError::system("cannot use standard output"))?,
        errors: errors.map_err(EmulatorError::system("cannot use standard error"))?,
        filter: marks.map(Filter::new),
        log: Log::default(),
        log_lines: LineBuffer::default(),
        heard: Instant::now(),
        debug: LineBuffer::default(),
        messages: Vec::new(),
        closed: Vec::new(),
        image,
        last_state: LastState::of(image),
        exit: None,
        plan: core,
        core: None,
    };
    if options.verbose {
        session.say(shown);
    }
    session.run(deadline)
}

impl Session<'_> {
    fn run(mut self, deadline: Option<Instant>) -> Result<Finished, EmulatorError> {
        let wait_error = EmulatorError::system("cannot wait for QEMU");
        loop {
            let now = Instant::now();
            if self.exit.as_ref().is_some_and(|(_, end)| *end <= now) {
                break;
            }
            if deadline.is_some_and(|deadline| deadline <= now) {
                self.exit = Some((MachineEnd::Timeout, now));
                break;
            }
            match self.done() {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => return Err(wait_error(error)),
            }
            let ready = match self.wait(now, deadline) {
                Ok(ready) => ready,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(wait_error(error.into())),
            };
            for source in &ready {
                self.serve(*source);
            }
            if ready.contains(&Source::Serial) || !self.listens() {
                self.heard = Instant::now();
            } else if self.guest_may_mean_it() && now >= self.heard + SILENCE {
                // Since before the wait, which may have ended for anything else.
                self.part(|filter, take| filter.flush(take));
            }
        }
        self.part(|filter, take| filter.finish(take));
        if let Some(line) = self.debug.rest() {
            self.debug_line(&line);
        }
        if let Some(line) = self.log_lines.rest() {
            self.log_line(&line);
        }
        self.take_core();
        let status = self.qemu.end().map_err(wait_error)?;
        self.complain();
        self.write_rest(deadline);
        let failure = self.output.failure();
        let exit = match self.exit {
            Some((exit @ (MachineEnd::Timeout | MachineEnd::Signal(_)), _)) => exit,
            _ if failure == Some(Errno::PIPE) => MachineEnd::Signal(libc::SIGPIPE),
            Some((exit, _)) => exit,
            None => MachineEnd::Unknown(unexplained(status)),
        };
        let is_told = matches!(exit, MachineEnd::Fault | MachineEnd::Fatal(_));
        let backtrace = is_told.then(|| self.last_state.backtrace(self.image));
        Ok(Finished {
            exit,
            backtrace: backtrace.flatten(),
            lost: failure.map(io::Error::from),
            core: self.core,
        })
    }

    /// Writes what is left, even if nobody is in a hurry to take it; unless the guest's time is over, or somebody wants
    /// an end.
    fn write_rest(&mut self, deadline: Option<Instant>) {
        let mut hurried_from = None;
        loop {
            let now = Instant::now();
            let mut end = deadline;
            if matches!(&self.exit, Some((MachineEnd::Timeout | MachineEnd::Signal(_), _))) {
                end = Some(*hurried_from.get_or_insert(now) + READER_GRACE);
                if end.is_some_and(|end| end <= now) {
                    return;
                }
            } else if deadline.is_some_and(|deadline| deadline <= now) {
                self.exit = Some((MachineEnd::Timeout, now));
                continue;
            }
            let mut files: Vec<_> = [&self.output, &self.errors]
                .into_iter()
                .filter_map(Output::wanted)
                .collect();
            if files.is_empty() {
                return;
            }
            files.push(PollFd::new(&self.signals.file, PollFlags::IN));
            let timeout = until(end, now);
            // Who waited in vain sees it by what is still there.
            let _ = poll(&mut files, timeout.as_ref());
            self.serve(Source::Signal);
            self.output.write();
            self.errors.write();
        }
    }

    /// Returns whether all is over: QEMU and what it has said, or whoever listens has gone.
    fn done(&mut self) -> io::Result<bool> {
        if self.output.failure() == Some(Errno::PIPE) {
            return Ok(true);
        }
        Ok(self.streams_ended() && self.qemu.has_ended()?)
    }

    fn streams_ended(&self) -> bool {
        self.closed.len() == 3 + usize::from(self.qemu.log.is_some())
    }

    /// Returns whether something is held back that the guest may have printed: until it has started, only Xen speaks,
    /// at times haltingly.
    fn guest_may_mean_it(&self) -> bool {
        self.log.guest_started() && self.filter.as_ref().is_some_and(Filter::holds)
    }

    /// Returns whether the serial line is read.
    fn listens(&self) -> bool {
        !self.closed.contains(&Source::Serial) && self.errors.has_room() && self.output.has_room()
    }

    /// Waits until something is to be done; what can be read or written without waiting.
    fn wait(&self, now: Instant, deadline: Option<Instant>) -> Result<Vec<Source>, Errno> {
        let mut files = vec![(Source::Signal, PollFd::new(&self.signals.file, PollFlags::IN))];
        let mut add = |source, file| files.push((source, file));
        let input_due = self.input.due();
        if self.listens() {
            add(Source::Serial, PollFd::new(&self.qemu.serial, PollFlags::IN));
        }
        if !self.closed.contains(&Source::Serial) && input_due.is_some_and(|due| due <= now) {
            add(Source::Typing, PollFd::new(&self.qemu.typing, PollFlags::OUT));
        }
        if self.errors.has_room() && !self.closed.contains(&Source::Debug) {
            add(Source::Debug, PollFd::new(&self.qemu.debug, PollFlags::IN));
        }
        if !self.closed.contains(&Source::Messages) {
            add(Source::Messages, PollFd::new(&self.qemu.messages, PollFlags::IN));
        }
        if let Some(log) = &self.qemu.log
            && self.errors.has_room()
            && !self.closed.contains(&Source::Log)
        {
            add(Source::Log, PollFd::new(log, PollFlags::IN));
        }
        if let Some(plan) = &self.plan {
            add(Source::Machine, PollFd::new(plan.stream(), PollFlags::IN));
        }
        if let Some(file) = self.input.wanted().filter(|_| self.may_read()) {
            add(Source::Input, file);
        }
        if let Some(file) = self.output.wanted() {
            add(Source::Output, file);
        }
        if let Some(file) = self.errors.wanted() {
            add(Source::Errors, file);
        }
        let next = [
            deadline,
            self.exit.as_ref().map(|(_, end)| *end),
            input_due.filter(|&due| due > now),
            self.guest_may_mean_it().then(|| self.heard + SILENCE),
            self.terminal.as_ref().map(|_| now + GLANCE),
            self.streams_ended().then(|| now + WAIT),
        ];
        let timeout = until(next.into_iter().flatten().min(), now);
        let (sources, mut files): (Vec<_>, Vec<_>) = files.into_iter().unzip();
        poll(&mut files, timeout.as_ref())?;
        let ready = sources.into_iter().zip(&files);
        Ok(ready
            .filter(|(_, file)| !file.revents().is_empty())
            .map(|(source, _)| source)
            .collect())
    }

    /// Returns whether standard input is ours to read from.
    fn may_read(&self) -> bool {
        self.terminal.as_ref().is_none_or(RawMode::refresh)
    }

    /// Does what there is to do at a source that is ready.
    fn serve(&mut self, source: Source) {
        match source {
            Source::Signal => match self.signals.next() {
                Some(libc::SIGTSTP) => stop(),
                Some(signal) => self.exit = Some((MachineEnd::Signal(signal), Instant::now())),
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
                self.messages.extend(chunk[..count.unwrap_or(0)].iter().take(room));
            }
            Source::Log => self.read_log(),
            Source::Machine => self.machine(),
            Source::Input if self.may_read() => self.input.read(),
            // Meanwhile we have been put into the background.
            Source::Input => {}
            Source::Output => self.output.write(),
            Source::Errors => self.errors.write(),
        }
    }

    /// Hears of the machine, of which a core is asked for.
    fn machine(&mut self) {
        let Some(plan) = &mut self.plan else {
            return;
        };
        match plan.machine_has_ended() {
            Ok(false) => {}
            Ok(true) => {
                let end = MachineEnd::Unknown(RESET.to_owned());
                self.exit.get_or_insert((end, Instant::now() + GRACE));
                self.take_core();
                self.qemu.kill();
            }
            // QEMU has ended.
            Err(_) => self.take_core(),
        }
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

    /// Takes what Xen prints on its own console.
    fn read_log(&mut self) {
        let mut chunk = [0; CHUNK];
        let count = self.qemu.log.as_ref().and_then(|log| read(log, &mut chunk));
        self.note_end(Source::Log, count);
        for &byte in &chunk[..count.unwrap_or(0)] {
            if let Some(line) = self.log_lines.push(byte) {
                self.log_line(&line);
            }
        }
    }

    /// A line on Xen's own console: Xen's, or one that the guest has had it print.
    fn log_line(&mut self, line: &str) {
        if let Some(line) = line.strip_prefix("(d1) ") {
            self.debug_line(line);
        } else {
            self.xen_line(line.strip_prefix("(XEN) ").unwrap_or(line).to_owned());
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
        self.output.push(&[byte]);
    }

    fn xen_line(&mut self, line: String) {
        if self.options.verbose {
            self.say(&format!("(XEN) {}\n", Escaped(&line)));
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
        if self.last_state.take(line) {
            return;
        }
        match end::parse(line) {
            Some(exit) if self.exit.is_none() => {
                self.exit = Some((exit, Instant::now() + GRACE));
                // The guest waits for its end, or Xen for another domain.
                if self.plan.is_some() || self.options.platform == VirtualMachine::XenDomu {
                    self.take_core();
                    self.qemu.kill();
                }
            }
            Some(_) => {}
            None => self.say(&format!("guest: {}\n", Escaped(line))),
        }
    }

    /// Takes the core that is asked for, if it is due: once, and before the machine ends.
    fn take_core(&mut self) {
        let Some(plan) = self.plan.take() else {
            return;
        };
        let is_unread = self.output.failure() == Some(Errno::PIPE);
        let unknown = MachineEnd::Unknown(String::new());
        let exit = self.exit.as_ref().map_or(&unknown, |(exit, _)| exit);
        if exit.leaves_core() && !is_unread {
            let path = plan.file.path().to_owned();
            self.core = Some(plan.take(self.image, exit).map(|()| path));
        }
    }

    fn note_end(&mut self, source: Source, count: Option<usize>) {
        if count == Some(0) && !self.closed.contains(&source) {
            self.closed.push(source);
        }
    }

    /// For standard error.
    fn say(&mut self, text: &str) {
        self.errors.push(text.as_bytes());
    }

    /// Says what QEMU and Xen have said, if the guest has not ended by itself.
    fn complain(&mut self) {
        let exit = self.exit.as_ref().map(|(exit, _)| exit);
        if matches!(exit, Some(MachineEnd::Unknown(_)) | None) {
            for line in String::from_utf8_lossy(&self.messages).lines() {
                self.errors.push(format!("{}\n", Escaped(line)).as_bytes());
            }
        }
        let is_of_interest = matches!(
            exit,
            Some(MachineEnd::Fault | MachineEnd::Timeout | MachineEnd::Unknown(_)) | None
        );
        if is_of_interest && !self.options.verbose {
            for line in self.log.report() {
                let line = format!("(XEN) {}\n", Escaped(line));
                self.errors.push(line.as_bytes());
            }
        }
    }
}

/// The time from `now` on, for `poll`; without an end there is none.
fn until(end: Option<Instant>, now: Instant) -> Option<Timespec> {
    end.and_then(|end| Timespec::try_from(end.saturating_duration_since(now)).ok())
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
    terminal::suspend();
    signals::stop();
    terminal::resume();
}

/// What is to be said of a QEMU that ended without a word from the guest.
fn unexplained(status: ExitStatus) -> String {
    if status.success() {
        return RESET.to_owned();
    }
    match status.code() {
        // What QEMU makes of a number that is written to the port.
        Some(code) if code & 1 == 1 && code > 1 => {
            "it ended QEMU by port 0xf4 without a line that says why; was it linked with another version of the guest \
            layer?"
                .to_owned()
        }
        _ => format!("QEMU ended with {status}"),
    }
}
