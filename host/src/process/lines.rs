// SPDX-License-Identifier: MIT OR Apache-2.0
//! Raising lines from other threads: latch the line, then kick the vCPU's thread, so that it looks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use paravirt_abi::error::Error;
use paravirt_abi::line::LINES;
use paravirt_host_core::lines::Lines;

use super::pauses::Pauses;
use super::time::monotonic;
use super::{dispositions, lock, signals};

/// Longest burst of raises from other threads that each interrupt the guest at once.
const BURST: u32 = 32;
/// After a burst, raises from other threads interrupt the guest at most once in this time, and so does the alarm: an
/// interrupt costs a few microseconds, and the guest's main loop must go on in a storm.
pub(super) const INTERVAL: Duration = Duration::from_micros(20);

/// The lines of a vCPU, and what a thread needs to interrupt it.
#[derive(Debug, Default)]
pub(super) struct SharedLines {
    pub(super) lines: Arc<Lines>,
    kick_state: Mutex<KickState>,
    /// Whether a thread has interrupted the guest's while that ran.
    interrupted: AtomicBool,
    /// Who lets the guest run, if that is not for ever.
    pauses: Option<Arc<Pauses>>,
    /// When another thread has raised the first line that nobody has asked for since, by the monotonic clock in ns; 0:
    /// none has. `None`: nobody asks.
    raised: Option<AtomicU64>,
}

#[derive(Debug, Default)]
struct KickState {
    /// The vCPU's thread while the guest runs.
    thread: Option<libc::pid_t>,
    /// When a steady sequence of interrupts, one in every [`INTERVAL`], would be due for its next.
    due: Option<Instant>,
}

impl SharedLines {
    /// `pauses`: who lets the guest run. `notes_raises`: somebody asks when lines were raised.
    pub(super) fn new(pauses: Option<Arc<Pauses>>, notes_raises: bool) -> Self {
        Self {
            pauses,
            raised: notes_raises.then(AtomicU64::default),
            ..Self::default()
        }
    }

    /// Notes that something came from outside when it came.
    pub(super) fn note_interruption(&self) {
        self.interrupted.store(true, Ordering::Relaxed);
    }

    /// Returns whether another thread has raised a line while the guest ran.
    pub(super) fn was_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// When another thread has raised a line, by the monotonic clock in ns, if one has since this was asked last.
    pub(super) fn take_raised(&self) -> Option<u64> {
        let raised = self.raised.as_ref()?.swap(0, Ordering::Relaxed);
        (raised != 0).then_some(raised)
    }

    /// From now on other threads may interrupt this one; `None`: no more.
    pub(super) fn set_thread(&self, thread: Option<libc::pid_t>) {
        lock(&self.kick_state).thread = thread;
    }

    /// Interrupts the vCPU's thread, wherever it is, so that it looks at what is latched and whether it is to stop.
    pub(super) fn kick(&self) {
        if let Some(thread) = lock(&self.kick_state).thread {
            let is_paused = self.pauses.as_ref().is_some_and(|pauses| pauses.is_paused());
            if !is_paused && thread != dispositions::this_thread() {
                self.note_interruption();
            }
            signals::kick(thread);
        }
    }

    /// Waits until another interrupt is due, if there were many of late.
    fn throttle(&self) {
        let now = Instant::now();
        let due = {
            let mut state = lock(&self.kick_state);
            let due = state.due.map_or(now, |due| due.max(now));
            state.due = Some(due + INTERVAL);
            due
        };
        let ahead = due - now;
        if let Some(wait) = ahead.checked_sub(INTERVAL * BURST) {
            thread::sleep(wait);
        }
    }
}

/// Raises one line of a guest, from any thread.
#[derive(Clone, Debug)]
pub struct LineHandle {
    lines: Arc<SharedLines>,
    line: u32,
}

impl LineHandle {
    pub(super) fn new(lines: &Arc<SharedLines>, line: u32) -> Result<Self, Error> {
        if line >= LINES {
            return Err(Error::NoSuchDevice);
        }
        Ok(Self {
            lines: Arc::clone(lines),
            line,
        })
    }

    /// Raises the line. While it is masked or not attached, and before and after the guest runs, that is latched.
    ///
    /// Raises in quick succession become one. A thread that raises faster than the guest can bear, 50,000 times a
    /// second in the long run, is made to wait.
    pub fn raise(&self) {
        if self.lines.lines.latch(self.line) == Ok(true) {
            if let Some(raised) = &self.lines.raised {
                let _ = raised.compare_exchange(0, monotonic(), Ordering::Relaxed, Ordering::Relaxed);
            }
            self.lines.throttle();
            self.lines.kick();
        }
    }
}
