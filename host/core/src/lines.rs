// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupt lines: attached or not, masked or not, latched.
//!
//! Any thread may latch a line. Only the vCPU's own thread, in a host function or where a host interrupts it, turns what is latched
//! and unmasked into pending. So masking needs no lock: when it returns, the line does not become pending any more.

use core::sync::atomic::{AtomicU32, Ordering};

use paravirt_abi::error::Error;
use paravirt_abi::line::LINES;

use crate::page::Page;

/// The lines of a vCPU.
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

    /// Gives a line to the guest, unmasked. On the vCPU's thread, as all that has the page.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line, [`Error::Busy`] if the guest has it already.
    pub fn attach(&self, page: &Page, line: u32) -> Result<(), Error> {
        let bit = bit(line)?;
        if self.attached.fetch_or(bit, Ordering::SeqCst) & bit != 0 {
            return Err(Error::Busy);
        }
        self.unmask(page, line)
    }

    /// Takes a line back; masks it.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line, [`Error::NotAttached`] if the guest does not have it.
    pub fn detach(&self, page: &Page, line: u32) -> Result<(), Error> {
        let bit = bit(line)?;
        if self.attached.fetch_and(!bit, Ordering::SeqCst) & bit == 0 {
            return Err(Error::NotAttached);
        }
        self.mask(page, line)
    }

    /// Keeps a line from becoming pending. One that is pending already is withdrawn and stays latched.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line.
    pub fn mask(&self, page: &Page, line: u32) -> Result<(), Error> {
        let bit = bit(line)?;
        self.unmasked.fetch_and(!bit, Ordering::SeqCst);
        let withdrawn = page.take_pending(bit);
        self.latched.fetch_or(withdrawn, Ordering::SeqCst);
        Ok(())
    }

    /// Lets a line become pending again; one that is latched becomes so at once.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line.
    pub fn unmask(&self, page: &Page, line: u32) -> Result<(), Error> {
        self.unmasked.fetch_or(bit(line)?, Ordering::SeqCst);
        self.flush(page);
        Ok(())
    }

    /// Raises a line on the vCPU's thread: makes it pending, or latches it while it is masked.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line.
    pub fn raise(&self, page: &Page, line: u32) -> Result<(), Error> {
        self.latched.fetch_or(bit(line)?, Ordering::SeqCst);
        self.flush(page);
        Ok(())
    }

    /// Latches a line, from any thread. Whether it was not latched before: then the vCPU's thread is to be interrupted, so that it
    /// [flushes](Self::flush). Otherwise whoever latched it does that, and the line is taken after.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line.
    pub fn latch(&self, line: u32) -> Result<bool, Error> {
        let bit = bit(line)?;
        Ok(self.latched.fetch_or(bit, Ordering::SeqCst) & bit == 0)
    }

    /// Whether the guest would notice that a line is raised: it is unmasked, and what was raised before has been taken. On the
    /// vCPU's thread.
    #[must_use]
    pub fn is_ready(&self, page: &Page, line: u32) -> bool {
        let Ok(bit) = bit(line) else {
            return false;
        };
        let waiting = self.latched.load(Ordering::SeqCst) | page.pending_lines();
        self.unmasked.load(Ordering::SeqCst) & bit != 0 && waiting & bit == 0
    }

    /// Makes pending what is latched and unmasked. On the vCPU's thread only; an interrupt handler there may interrupt it and flush
    /// as well.
    pub fn flush(&self, page: &Page) {
        let unmasked = self.unmasked.load(Ordering::SeqCst);
        // Every call ends here, mostly for nothing: without a locked instruction.
        if self.latched.load(Ordering::SeqCst) & unmasked == 0 {
            return;
        }
        let taken = self.latched.fetch_and(!unmasked, Ordering::SeqCst) & unmasked;
        if taken != 0 {
            page.set_pending(taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;

    use paravirt_abi::vcpu::VcpuPage;

    use super::*;

    fn with_page(test: impl FnOnce(&Lines, &Page)) {
        // SAFETY: a page of zeros is a valid one.
        let mut memory: Box<VcpuPage> = Box::new(unsafe { core::mem::zeroed() });
        // SAFETY: the memory outlives the test.
        let page = unsafe { Page::new(&raw mut *memory as u64) };
        test(&Lines::new(), &page);
    }

    #[test]
    fn a_line_becomes_pending_once_it_is_attached() {
        with_page(|lines, page| {
            assert_eq!(lines.raise(page, 3), Ok(()));
            assert!(!page.is_pending());
            assert_eq!(lines.attach(page, 3), Ok(()));
            assert_eq!(page.take_pending(u32::MAX), 1 << 3);
            assert_eq!(lines.attach(page, 3), Err(Error::Busy));
        });
    }

    #[test]
    fn masking_withdraws_and_unmasking_gives_back() {
        with_page(|lines, page| {
            lines.attach(page, 3).unwrap();
            lines.raise(page, 3).unwrap();
            assert_eq!(lines.mask(page, 3), Ok(()));
            assert!(!page.is_pending());
            assert_eq!(lines.unmask(page, 3), Ok(()));
            assert_eq!(page.take_pending(u32::MAX), 1 << 3);
        });
    }

    #[test]
    fn lines_do_not_mind_each_other() {
        with_page(|lines, page| {
            lines.attach(page, 3).unwrap();
            lines.attach(page, 5).unwrap();
            assert_eq!(lines.raise(page, 7), Ok(()));
            assert_eq!(lines.raise(page, 3), Ok(()));
            assert_eq!(page.take_pending(u32::MAX), 1 << 3);
            assert_eq!(lines.detach(page, 3), Ok(()));
            assert_eq!(lines.detach(page, 3), Err(Error::NotAttached));
            assert_eq!(lines.attach(page, 5), Err(Error::Busy));
            assert_eq!(lines.raise(page, 3), Ok(()));
            assert_eq!(lines.raise(page, 5), Ok(()));
            assert_eq!(page.take_pending(u32::MAX), 1 << 5);
            // What came meanwhile waits for whoever attaches it next.
            assert_eq!(lines.attach(page, 3), Ok(()));
            assert_eq!(page.take_pending(u32::MAX), 1 << 3);
        });
    }

    #[test]
    fn what_another_thread_latches_waits_for_the_vcpu() {
        with_page(|lines, page| {
            lines.attach(page, 3).unwrap();
            assert_eq!(lines.latch(3), Ok(true));
            assert_eq!(lines.latch(3), Ok(false));
            assert!(!page.is_pending());
            lines.flush(page);
            assert_eq!(page.take_pending(u32::MAX), 1 << 3);
            assert_eq!(lines.latch(3), Ok(true));
        });
    }

    #[test]
    fn a_line_is_ready_when_the_guest_has_taken_it() {
        with_page(|lines, page| {
            assert!(!lines.is_ready(page, 3));
            lines.attach(page, 3).unwrap();
            assert!(lines.is_ready(page, 3));
            lines.latch(3).unwrap();
            assert!(!lines.is_ready(page, 3));
            lines.flush(page);
            assert!(!lines.is_ready(page, 3));
            // Latched again while it is pending.
            lines.latch(3).unwrap();
            assert!(!lines.is_ready(page, 3));
            lines.flush(page);
            assert_eq!(page.take_pending(u32::MAX), 1 << 3);
            assert!(lines.is_ready(page, 3));
            lines.mask(page, 3).unwrap();
            assert!(!lines.is_ready(page, 3));
        });
    }

    #[test]
    fn other_numbers_are_no_lines() {
        with_page(|lines, page| {
            assert_eq!(lines.attach(page, LINES), Err(Error::NoSuchDevice));
            assert_eq!(lines.detach(page, LINES), Err(Error::NoSuchDevice));
            assert_eq!(lines.mask(page, LINES), Err(Error::NoSuchDevice));
            assert_eq!(lines.unmask(page, LINES), Err(Error::NoSuchDevice));
            assert_eq!(lines.raise(page, LINES), Err(Error::NoSuchDevice));
            assert_eq!(lines.latch(u32::MAX), Err(Error::NoSuchDevice));
            assert_eq!(lines.detach(page, 3), Err(Error::NotAttached));
            assert!(!lines.is_ready(page, LINES));
        });
    }
}
