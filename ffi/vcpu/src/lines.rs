// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupt lines: attached or not, masked or not, latched.
//!
//! Any thread may latch a line. Only the vCPU's own thread, in a function of the interface or where it is interrupted,
//! turns what is latched and unmasked into pending. So masking needs no lock: when it returns, the line does not become
//! pending any more. Handlers of the guest mask and unmask as well: they must not come amid the functions here.

use core::sync::atomic::{AtomicU32, Ordering};

use paravirt_abi::error::Error;
use paravirt_abi::line::LINES;

/// The lines of a vCPU. What several of their functions do is in an image once, for its size.
#[derive(Debug, Default)]
pub struct Lines {
    attached: AtomicU32,
    unmasked: AtomicU32,
    latched: AtomicU32,
}

/// The bit of a line.
fn bit(line: u32) -> Result<u32, Error> {
    if line < LINES {
        Ok(1 << line)
    } else {
        Err(Error::NoSuchDevice)
    }
}

impl Lines {
    /// Lines that nobody has attached or raised.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            attached: AtomicU32::new(0),
            unmasked: AtomicU32::new(0),
            latched: AtomicU32::new(0),
        }
    }

    /// Gives a line to the guest, unmasked. On the vCPU's thread, as all that has the pending word of its page.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line, [`Error::Busy`] if the guest has it already.
    pub fn attach(&self, pending: &AtomicU32, line: u32) -> Result<(), Error> {
        let bit = bit(line)?;
        if self.attached.fetch_or(bit, Ordering::SeqCst) & bit != 0 {
            return Err(Error::Busy);
        }
        self.unmask(pending, line)
    }

    /// Takes a line back; masks it.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line, [`Error::NotAttached`] if the guest does not have it.
    pub fn detach(&self, pending: &AtomicU32, line: u32) -> Result<(), Error> {
        let bit = bit(line)?;
        if self.attached.fetch_and(!bit, Ordering::SeqCst) & bit == 0 {
            return Err(Error::NotAttached);
        }
        self.mask(pending, line)
    }

    /// Keeps a line from becoming pending. One that is pending already is withdrawn and stays latched.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line.
    #[inline(never)]
    pub fn mask(&self, pending: &AtomicU32, line: u32) -> Result<(), Error> {
        let bit = bit(line)?;
        self.unmasked.fetch_and(!bit, Ordering::SeqCst);
        let withdrawn = pending.fetch_and(!bit, Ordering::SeqCst) & bit;
        self.latched.fetch_or(withdrawn, Ordering::SeqCst);
        Ok(())
    }

    /// Lets a line become pending again; one that is latched becomes so at once.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line.
    #[inline(never)]
    pub fn unmask(&self, pending: &AtomicU32, line: u32) -> Result<(), Error> {
        self.unmasked.fetch_or(bit(line)?, Ordering::SeqCst);
        self.flush(pending);
        Ok(())
    }

    /// Raises a line on the vCPU's thread: makes it pending, or latches it while it is masked.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line.
    pub fn raise(&self, pending: &AtomicU32, line: u32) -> Result<(), Error> {
        self.latched.fetch_or(bit(line)?, Ordering::SeqCst);
        self.flush(pending);
        Ok(())
    }

    /// Latches a line, from any thread. Returns whether it was not latched before: then the vCPU's thread is to be
    /// interrupted, so that it [flushes](Self::flush). Otherwise whoever latched it does that, and the line is taken
    /// after.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line.
    pub fn latch(&self, line: u32) -> Result<bool, Error> {
        let bit = bit(line)?;
        Ok(self.latched.fetch_or(bit, Ordering::SeqCst) & bit == 0)
    }

    /// Returns whether the guest would notice that a line is raised: it is unmasked, and what was raised before has
    /// been taken. On the vCPU's thread.
    #[must_use]
    pub fn is_ready(&self, pending: &AtomicU32, line: u32) -> bool {
        let Ok(bit) = bit(line) else {
            return false;
        };
        let waiting = self.latched.load(Ordering::SeqCst) | pending.load(Ordering::SeqCst);
        self.unmasked.load(Ordering::SeqCst) & bit != 0 && waiting & bit == 0
    }

    /// Makes pending what is latched and unmasked. On the vCPU's thread only; an interrupt handler there may interrupt
    /// it and flush as well.
    #[inline]
    pub fn flush(&self, pending: &AtomicU32) {
        // Every call ends here, mostly for nothing: without a locked instruction.
        if self.latched.load(Ordering::SeqCst) & self.unmasked.load(Ordering::SeqCst) != 0 {
            self.take(pending);
        }
    }

    #[cold]
    #[inline(never)]
    fn take(&self, pending: &AtomicU32) {
        let unmasked = self.unmasked.load(Ordering::SeqCst);
        let taken = self.latched.fetch_and(!unmasked, Ordering::SeqCst) & unmasked;
        if taken != 0 {
            pending.fetch_or(taken, Ordering::SeqCst);
        }
    }
}
