// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest that runs for a while, stands, and runs on.

use std::panic;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use paravirt_abi::error::Error;
use paravirt_host_core::timers::NEVER;

use super::lines::{LineHandle, SharedLines};
use super::pauses::Pauses;
use super::run::Finished;
use super::vm::{Builder, VmError};

/// A guest on a thread of its own, which runs while [`run_until`](Self::run_until) does, and stands otherwise. While it
/// stands, so does its time, in each of the ways in which that passes; a time limit goes on, and one that passes
/// meanwhile ends the guest at the next [`run_until`](Self::run_until) at the latest.
///
/// In this way a guest is simulated beside others: a model of a plant, or guests in other processes.
///
/// ```no_run
/// use std::time::Duration;
///
/// use pvhost::image::Image;
/// use pvhost::process::{Progress, Runner, Time, Vm};
///
/// let image = Image::open("guest".as_ref())?;
/// let mut runner = Runner::new(|| Vm::builder(image).time(Time::Fast))?;
/// let line = runner.line(5)?;
/// for ms in 1.. {
///     if let Progress::Ended(finished) = runner.run_until(Duration::from_millis(ms))? {
///         println!("status {}", finished.exit.status());
///         break;
///     }
///     line.raise();
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// One that is dropped before its guest's end ends that where it stands.
#[derive(Debug)]
pub struct Runner {
    pauses: Arc<Pauses>,
    lines: Arc<SharedLines>,
    /// `None`: it has ended, and was joined.
    thread: Option<JoinHandle<Result<Finished, VmError>>>,
}

/// How far a guest has come.
#[derive(Debug)]
pub enum Progress {
    /// To the time that was asked for.
    Reached,
    /// To its end.
    Ended(Box<Finished>),
}

/// Why a guest does not run on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// That time is before the last one.
    #[error("the guest has run until {last:?} already, and does not go back to {wanted:?}")]
    Backwards {
        /// What was asked for before.
        last: Duration,
        /// What was asked for.
        wanted: Duration,
    },
    /// It has ended, which was said before.
    #[error("the guest has ended")]
    HasEnded,
    /// The system refused what running needs.
    #[error(transparent)]
    Vm(#[from] VmError),
}

/// Ends the guest's turn when its thread ends, however that does.
struct Turn(Arc<Pauses>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Runner {
    /// Makes a guest of what `describe` returns, on the guest's thread, where its host functions are called as well. It
    /// stands at time 0.
    ///
    /// # Errors
    /// As of [`Builder::build`]; or the system refused a thread.
    pub fn new(describe: impl FnOnce() -> Builder + Send + 'static) -> Result<Self, VmError> {
        let pauses = Arc::new(Pauses::new());
        let (sender, receiver) = mpsc::sync_channel(1);
        let turn = Turn(Arc::clone(&pauses));
        let body = move || {
            let pauses = Arc::clone(&turn.0);
            let vm = describe().pausing(Arc::clone(&pauses)).build()?;
            // Whoever made this waits for it.
            let _ = sender.send(vm.lines());
            if pauses.wait_for_turn(|| false) {
                vm.run()
            } else {
                Err(VmError::Abandoned)
            }
        };
        let thread = thread::Builder::new()
            .name("vCPU".into())
            .spawn(body)
            .map_err(|source| VmError::System("cannot start a thread for the guest", source))?;
        Self::of(pauses, &receiver, thread)
    }

    fn of(
        pauses: Arc<Pauses>,
        receiver: &Receiver<Arc<SharedLines>>,
        thread: JoinHandle<Result<Finished, VmError>>,
    ) -> Result<Self, VmError> {
        match receiver.recv() {
            Ok(lines) => Ok(Self {
                pauses,
                lines,
                thread: Some(thread),
            }),
            // It ends without having sent anything.
            Err(mpsc::RecvError) => Err(match join(thread) {
                Err(error) => error,
                Ok(_) => VmError::Abandoned,
            }),
        }
    }

    /// Runs the guest up to that guest time, or to its end if that comes before. Time that cannot be stopped exactly
    /// there, as real time, is a little later then, in steps by one step at most; a time that has passed so does not
    /// run the guest at all.
    ///
    /// # Errors
    /// If the time is before the one that was asked for last, the guest has ended before, or the system refuses what
    /// running needs.
    pub fn run_until(&mut self, time: Duration) -> Result<Progress, RunError> {
        if self.thread.is_none() {
            return Err(RunError::HasEnded);
        }
        let last = Duration::from_nanos(self.pauses.goal());
        if time < last {
            return Err(RunError::Backwards { last, wanted: time });
        }
        let goal = u64::try_from(time.as_nanos()).unwrap_or(NEVER);
        if time < self.time() {
            self.pauses.set_goal(goal);
            return Ok(Progress::Reached);
        }
        if self.pauses.run_until(goal) {
            return Ok(Progress::Reached);
        }
        match self.thread.take() {
            Some(thread) => Ok(Progress::Ended(Box::new(join(thread)?))),
            None => Err(RunError::HasEnded),
        }
    }

    /// Guest time at which the guest stands, or stood last.
    #[must_use]
    pub fn time(&self) -> Duration {
        Duration::from_nanos(self.pauses.time())
    }

    /// A handle to raise a line with, from any thread. While the guest stands, that is latched.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line.
    pub fn line(&self, line: u32) -> Result<LineHandle, Error> {
        LineHandle::new(&self.lines, line)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.pauses.abandon();
            // How it ended nobody wants to know.
            let _ = thread.join();
        }
    }
}

fn join(thread: JoinHandle<Result<Finished, VmError>>) -> Result<Finished, VmError> {
    match thread.join() {
        Ok(result) => result,
        Err(panic) => panic::resume_unwind(panic),
    }
}
