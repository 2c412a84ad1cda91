// SPDX-License-Identifier: MIT OR Apache-2.0
//! One run of one program: a child in a process group of its own, whose output is bounded, as its time is.

use std::io;
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, set_parent_process_death_signal,
    waitid,
};

use super::{Error, State, Verdict};

/// Time from the request to end until the end by force.
const GRACE: Duration = Duration::from_secs(2);
/// Time for the rest of the output, when all that was started has been ended: a pipe may be held by who got away.
const REST: Duration = Duration::from_secs(1);
/// Longest time between two looks at what no file tells.
const TICK: Duration = Duration::from_millis(100);

/// One run of a test.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What RTEMS expects of it.
    pub state: State,
    /// What came of it.
    pub verdict: Verdict,
    /// How long it ran.
    pub time: Duration,
    /// Where its output is, if it is kept.
    pub kept: Option<PathBuf>,
}

/// What a program printed.
#[derive(Clone, Debug, Default)]
pub struct Printed {
    /// All, in the order in which it came.
    pub all: Vec<u8>,
    /// Of that, what came on standard output.
    pub output: Vec<u8>,
    /// And on standard error.
    pub messages: Vec<u8>,
}

/// Within which a program is to stay.
pub(super) struct Limits<'a> {
    pub(super) time: Duration,
    /// Of output, in bytes.
    pub(super) output: u64,
    /// Whether it is to end now.
    pub(super) is_stopped: &'a (dyn Fn() -> bool + Sync),
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Itself(ExitStatus),
    Timeout,
    Flood,
    Stopped,
}

/// Why it did not come to an end.
pub(super) enum Failure {
    Start(io::Error),
    Watch(io::Error),
    Keep(io::Error),
}

impl Failure {
    /// As an error, of that command, whose output is kept in that file.
    pub(super) fn error(self, command: &Command, file: &Path) -> Error {
        match self {
            Self::Start(source) => Error::Start(command.get_program().into(), source),
            Self::Watch(source) => Error::Watch(source),
            Self::Keep(source) => Error::Keep(file.to_owned(), source),
        }
    }
}

/// Runs the command. What it prints goes to `keep` as well, as it comes.
pub(super) fn run(
    command: &mut Command,
    limits: &Limits<'_>,
    keep: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(End, Printed), Failure> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.process_group(0);
    // SAFETY: a system call without pointers, which a forked child may make.
    unsafe {
        // Whoever started it goes: so does the child.
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
    }
    let child = command.spawn().map_err(Failure::Start)?;
    let mut running = Running::new(child, keep).map_err(Failure::Watch)?;
    let mut cause = running.wait(limits)?;
    running.end();
    let status = running.child.wait().map_err(Failure::Watch)?;
    running.is_waited_for = true;
    if !running.drain(limits.output)? {
        cause.get_or_insert(End::Flood);
    }
    Ok((cause.unwrap_or(End::Itself(status)), mem::take(&mut running.printed)))
}

/// A child, which does not outlive this.
struct Running<K> {
    child: Child,
    pid: Pid,
    /// Tells of its end, where the system knows such files.
    pidfd: Option<OwnedFd>,
    /// Standard output and error, until their end.
    streams: [Option<OwnedFd>; 2],
    printed: Printed,
    keep: K,
    /// Whether its number may be another's.
    is_waited_for: bool,
}

impl<K: FnMut(&[u8]) -> io::Result<()>> Running<K> {
    fn new(mut child: Child, keep: K) -> io::Result<Self> {
        let pid = Pid::from_child(&child);
        let streams = [child.stdout.take().map(Into::into), child.stderr.take().map(Into::into)];
        Ok(Self {
            child,
            pid,
            pidfd: pidfd_open(pid, PidfdFlags::empty()).ok(),
            streams,
            printed: Printed::default(),
            keep,
            is_waited_for: false,
        })
    }

    /// Waits for its end, and brings it about if need be; why, then.
    fn wait(&mut self, limits: &Limits<'_>) -> Result<Option<End>, Failure> {
        let limit = Instant::now().checked_add(limits.time);
        let mut cause = None;
        let mut kill_at = None;
        loop {
            if self.has_exited().map_err(Failure::Watch)? {
                return Ok(cause);
            }
            let now = Instant::now();
            if cause.is_none() {
                if (limits.is_stopped)() {
                    cause = Some(End::Stopped);
                } else if limit.is_some_and(|limit| now >= limit) {
                    cause = Some(End::Timeout);
                }
                if cause.is_some() {
                    kill_at = Some(now + GRACE);
                    // What is there no more need not be asked.
                    let _ = kill_process_group(self.pid, Signal::TERM);
                }
            }
            if kill_at.is_some_and(|at| now >= at) {
                self.end();
                kill_at = None;
            }
            let left = limit.map_or(TICK, |limit| limit.saturating_duration_since(now));
            let left = if cause.is_some() { TICK } else { left.min(TICK) };
            if !self.read(left, limits.output)? {
                self.end();
                cause.get_or_insert(End::Flood);
            }
        }
    }

    /// Whether it has exited; it still has its number then, so that its group can be ended.
    fn has_exited(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.pid), options) {
            Ok(status) => Ok(status.is_some()),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what comes in that time, if the child does not exit before. Returns whether it is no more than `most`.
    fn read(&mut self, time: Duration, most: u64) -> Result<bool, Failure> {
        let mut files: Vec<PollFd<'_>> = Vec::with_capacity(3);
        let open = [0, 1].into_iter().filter(|&index| self.streams[index].is_some());
        let indices: Vec<usize> = open.collect();
        files.extend(
            self.streams
                .iter()
                .flatten()
                .map(|file| PollFd::new(file, PollFlags::IN)),
        );
        files.extend(self.pidfd.iter().map(|file| PollFd::new(file, PollFlags::IN)));
        match poll(&mut files, Timespec::try_from(time).ok().as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Failure::Watch(error.into())),
        }
        let ready = indices
            .iter()
            .zip(&files)
            .filter(|(_, file)| !file.revents().is_empty());
        let ready: Vec<usize> = ready.map(|(index, _)| *index).collect();
        for index in ready {
            if !self.read_stream(index, most)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn read_stream(&mut self, index: usize, most: u64) -> Result<bool, Failure> {
        let mut bytes = [0; 1 << 16];
        let Some(stream) = &self.streams[index] else {
            return Ok(true);
        };
        let count = match rustix::io::read(stream.as_fd(), &mut bytes) {
            Ok(0) => {
                self.streams[index] = None;
                return Ok(true);
            }
            Ok(count) => count,
            Err(Errno::INTR | Errno::AGAIN) => return Ok(true),
            Err(error) => return Err(Failure::Watch(error.into())),
        };
        let room = most.saturating_sub(self.printed.all.len() as u64);
        let bytes = &bytes[..count.min(usize::try_from(room).unwrap_or(usize::MAX))];
        self.printed.all.extend_from_slice(bytes);
        let stream = match index {
            0 => &mut self.printed.output,
            _ => &mut self.printed.messages,
        };
        stream.extend_from_slice(bytes);
        (self.keep)(bytes).map_err(Failure::Keep)?;
        Ok(bytes.len() == count)
    }

    /// Ends all of its group by force.
    fn end(&self) {
        let _ = kill_process_group(self.pid, Signal::KILL);
    }

    /// Reads what is left, when all were ended. Returns whether it is no more than `most`.
    fn drain(&mut self, most: u64) -> Result<bool, Failure> {
        let end = Instant::now() + REST;
        self.pidfd = None;
        while self.streams.iter().any(Option::is_some) && Instant::now() < end {
            if !self.read(TICK, most)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl<K> Drop for Running<K> {
    fn drop(&mut self) {
        if !self.is_waited_for {
            let _ = kill_process_group(self.pid, Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    fn run_for(script: &str, time: Duration, output: u64) -> (End, Printed, Vec<u8>) {
        let limits = Limits {
            time,
            output,
            is_stopped: &|| false,
        };
        let mut kept = Vec::new();
        let result = run(&mut shell(script), &limits, |bytes| {
            kept.extend_from_slice(bytes);
            Ok(())
        });
        let (end, printed) = result.unwrap_or_else(|_| panic!("sh runs"));
        (end, printed, kept)
    }

    #[test]
    fn output_messages_and_status_come_out() {
        let (end, printed, kept) = run_for("echo a; sleep 0.2; echo b >&2; sleep 0.2; echo c; exit 7", LONG, 100);
        assert!(
            matches!(end, End::Itself(status) if status.code() == Some(7)),
            "{end:?}"
        );
        assert_eq!(printed.all, b"a\nb\nc\n");
        assert_eq!((&*printed.output, &*printed.messages), (&b"a\nc\n"[..], &b"b\n"[..]));
        assert_eq!(kept, printed.all);
    }

    #[test]
    fn its_input_is_at_its_end() {
        let (end, printed, _) = run_for("cat; echo read", LONG, 100);
        assert!(matches!(end, End::Itself(status) if status.success()), "{end:?}");
        assert_eq!(printed.all, b"read\n");
    }

    #[test]
    fn what_does_not_end_is_ended_with_its_children() {
        let start = Instant::now();
        let script = "trap '' TERM; echo begun; sleep 1000 & sleep 1000";
        let (end, printed, _) = run_for(script, Duration::from_millis(300), 100);
        assert_eq!(end, End::Timeout);
        assert_eq!(printed.all, b"begun\n");
        assert!(start.elapsed() < LONG / 2, "{:?}", start.elapsed());
    }

    /// What the shell leaves behind holds the pipe.
    #[test]
    fn what_is_left_behind_is_ended_as_well() {
        let start = Instant::now();
        let (end, printed, _) = run_for("sleep 1000 & echo $!", LONG, 100);
        assert!(matches!(end, End::Itself(status) if status.success()), "{end:?}");
        assert!(start.elapsed() < LONG / 2, "{:?}", start.elapsed());
        let process = String::from_utf8(printed.all).expect("a number");
        let stat = format!("/proc/{}/stat", process.trim());
        // It may not have been waited for yet.
        let is_there = || std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        for _ in 0..100 {
            if !is_there() {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("process {process} is still there");
    }

    #[test]
    fn who_closes_its_streams_is_waited_for_and_not_longer() {
        let start = Instant::now();
        let (end, ..) = run_for("exec >&- 2>&-; sleep 0.5; exit 3", LONG, 100);
        assert!(
            matches!(end, End::Itself(status) if status.code() == Some(3)),
            "{end:?}"
        );
        assert!(start.elapsed() < LONG / 2, "{:?}", start.elapsed());
    }

    #[test]
    fn too_much_output_is_its_end() {
        let (end, printed, kept) = run_for("yes", LONG, 100_000);
        assert_eq!(end, End::Flood);
        assert_eq!(printed.all.len(), 100_000);
        assert_eq!(kept.len(), 100_000);
        let (end, printed, _) = run_for("printf 12345", LONG, 5);
        assert!(matches!(end, End::Itself(_)), "{end:?}");
        assert_eq!(printed.all, b"12345");
    }

    #[test]
    fn it_ends_when_it_is_to() {
        let stopped = AtomicBool::new(false);
        let limits = Limits {
            time: LONG,
            output: 100,
            is_stopped: &|| stopped.load(Ordering::Relaxed),
        };
        // It has begun when it prints.
        let result = run(&mut shell("echo; sleep 1000"), &limits, |_| {
            stopped.store(true, Ordering::Relaxed);
            Ok(())
        });
        assert!(matches!(result, Ok((End::Stopped, _))));
    }

    #[test]
    fn output_that_cannot_be_kept_is_an_error_and_its_end() {
        let start = Instant::now();
        let limits = Limits {
            time: LONG,
            output: 100,
            is_stopped: &|| false,
        };
        let result = run(&mut shell("echo; sleep 1000"), &limits, |_| Err(Errno::NOSPC.into()));
        assert!(matches!(result, Err(Failure::Keep(_))));
        assert!(start.elapsed() < LONG / 2, "{:?}", start.elapsed());
        let result = run(&mut Command::new("/absent"), &limits, |_| Ok(()));
        assert!(matches!(result, Err(Failure::Start(_))));
    }
}
