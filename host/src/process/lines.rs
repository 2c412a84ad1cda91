// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupt lines: attached or not, masked or not, latched.
//!
//! Any thread may latch a line. Only the vCPU's own thread, in a host function or a signal handler, turns what is latched and
//! unmasked into pending. So masking needs no lock: when it returns, the line does not become pending any more.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use paravirt_abi::error::Error;
use paravirt_abi::line::LINES;

use super::page::Page;
use super::signals;

/// Longest burst of raises from other threads that each interrupt the guest at once.
const BURST: u32 = 32;
/// After a burst, raises from other threads interrupt the guest at most once in this time: an interrupt costs a few
/// microseconds, and the guest's main loop must go on in a storm.
const INTERVAL: Duration = Duration::from_micros(20);

/// The lines of a vCPU.
#[derive(Debug, Default)]
pub(super) struct Lines {
    attached: AtomicU32,
    unmasked: AtomicU32,
    latched: AtomicU32,
    bell: Mutex<Bell>,
}

/// What a thread needs to interrupt the vCPU.
#[derive(Debug, Default)]
struct Bell {
    /// The vCPU's thread while the guest runs.
    thread: Option<libc::pid_t>,
    /// When a steady sequence of interrupts, one in every [`INTERVAL`], would be due for its next.
    due: Option<Instant>,
}

fn bit(line: u32) -> Result<u32, Error> {
    if line < LINES {
        Ok(1 << line)
    } else {
        Err(Error::NoSuchDevice)
    }
}

impl Lines {
    pub(super) fn attach(&self, page: &Page, line: u32) -> Result<(), Error> {
        let bit = bit(line)?;
        if self.attached.fetch_or(bit, Ordering::SeqCst) & bit != 0 {
            return Err(Error::Busy);
        }
        self.unmask(page, line)
    }

    pub(super) fn detach(&self, page: &Page, line: u32) -> Result<(), Error> {
        let bit = bit(line)?;
        if self.attached.fetch_and(!bit, Ordering::SeqCst) & bit == 0 {
            return Err(Error::NotAttached);
        }
        self.mask(page, line)
    }

    /// A line that is pending already is withdrawn and stays latched.
    pub(super) fn mask(&self, page: &Page, line: u32) -> Result<(), Error> {
        let bit = bit(line)?;
        self.unmasked.fetch_and(!bit, Ordering::SeqCst);
        let withdrawn = page.take_pending(bit);
        self.latched.fetch_or(withdrawn, Ordering::SeqCst);
        Ok(())
    }

    pub(super) fn unmask(&self, page: &Page, line: u32) -> Result<(), Error> {
        self.unmasked.fetch_or(bit(line)?, Ordering::SeqCst);
        self.flush(page);
        Ok(())
    }

    /// Raises a line on the vCPU's thread.
    pub(super) fn raise(&self, page: &Page, line: u32) -> Result<(), Error> {
        self.latched.fetch_or(bit(line)?, Ordering::SeqCst);
        self.flush(page);
        Ok(())
    }

    /// Makes pending what is latched and unmasked. On the vCPU's thread only; a signal handler may interrupt it.
    pub(super) fn flush(&self, page: &Page) {
        let unmasked = self.unmasked.load(Ordering::SeqCst);
        let taken = self.latched.fetch_and(!unmasked, Ordering::SeqCst) & unmasked;
        if taken != 0 {
            page.set_pending(taken);
        }
    }

    /// From now on other threads may interrupt this one; `None`: no more.
    pub(super) fn set_thread(&self, thread: Option<libc::pid_t>) {
        self.bell().thread = thread;
    }

    /// Interrupts the vCPU's thread, wherever it is, so that it looks at what is latched and whether it is to stop.
    pub(super) fn ring(&self) {
        if let Some(thread) = self.bell().thread {
            signals::kick(thread);
        }
    }

    fn bell(&self) -> std::sync::MutexGuard<'_, Bell> {
        self.bell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Latches a line from any thread. Who finds the bit set need not ring: its setter does, and the line is taken after.
    fn raise_from_outside(&self, bit: u32) {
        if self.latched.fetch_or(bit, Ordering::SeqCst) & bit == 0 {
            self.throttle();
            self.ring();
        }
    }

    /// Waits until another interrupt is due, if there were many of late.
    fn throttle(&self) {
        let now = Instant::now();
        let due = {
            let mut bell = self.bell();
            let due = bell.due.map_or(now, |due| due.max(now));
            bell.due = Some(due + INTERVAL);
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
    lines: Arc<Lines>,
    bit: u32,
}

impl LineHandle {
    pub(super) fn new(lines: &Arc<Lines>, line: u32) -> Result<Self, Error> {
        Ok(Self {
            lines: Arc::clone(lines),
            bit: bit(line)?,
        })
    }

    /// Raises the line. While it is masked or not attached, and before and after the guest runs, that is latched.
    ///
    /// Raises in quick succession become one. A thread that raises faster than the guest can bear, 50,000 times a second in the
    /// long run, is made to wait.
    pub fn raise(&self) {
        self.lines.raise_from_outside(self.bit);
    }
}
