// SPDX-License-Identifier: MIT OR Apache-2.0
//! A guest of the host's own width in the host's own address space: from its image to its end.
//!
//! What is below the host is a [`Platform`]. While the guest runs, the platform's event handlers call [`Guest::alarm`],
//! [`Guest::deliver`] and [`Guest::fault`] on the vCPU's thread, at any instruction; host functions are not disturbed by that:
//! what comes during one is done when it ends.

mod call;
mod end;
mod entry;
mod event;
mod interface;
mod legacy;
mod load;
mod platform;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use paravirt_abi::error::Error;
use paravirt_abi::signature::Width;

pub(crate) use call::{dispatch, resolve};
pub use end::{End, EndKind};
pub use load::{Function, GuestError, Request, policy};
pub use platform::Platform;

use crate::explain::{Fault, Record};
use crate::gate::{self, Code, STATE};
use crate::image::Image;
use crate::lines::Lines;
use crate::memory::GuestMemory;
use crate::page::Page;
use crate::timers::{NEVER, Timers};
use call::Binding;
use entry::Entry;

/// A guest with its vCPU.
///
/// Host functions and event handlers share it on one thread, and a handler may interrupt a host function at any instruction. What
/// both change is atomic; the timers are changed by a handler only if no host function runs.
pub struct Guest {
    platform: Box<dyn Platform>,
    memory: GuestMemory,
    page: Page,
    /// Whether the page is the guest's, so that it can be interrupted.
    takes_interrupts: bool,
    lines: Lines,
    timers: Timers,
    bindings: Vec<Binding>,
    code: Code,
    entry: Entry,
    /// The platform's time when guest time was 0.
    start: u64,
    /// Why the guest is to be left: an [`End`] as a word, 0 if it is not.
    end: AtomicU64,
    /// Whether host code runs: between entering and leaving the host.
    in_host: AtomicBool,
    /// Whether the alarm has come and nobody has looked at the timers.
    alarm_due: AtomicBool,
    fault: Cell<Option<Record>>,
    has_run: AtomicBool,
}

/// Pointer width of guest and host.
pub const WIDTH: Width = gate::MACHINE.width();

/// Why a guest cannot be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnterError {
    /// Another guest runs.
    #[error("a guest runs already; run one after the other")]
    Occupied,
    /// It has run.
    #[error("the guest has run already; make another one of its image")]
    HasRun,
}

impl Guest {
    /// Runs the guest to its end, on this thread.
    ///
    /// # Errors
    /// If another guest runs, or this one has run.
    ///
    /// # Safety
    /// The host's functions have the prototypes they were given with, and the platform keeps to its contract. The guest is not moved
    /// or dropped meanwhile.
    pub unsafe fn enter(&self) -> Result<End, EnterError> {
        if self.has_run.load(Ordering::SeqCst) {
            return Err(EnterError::HasRun);
        }
        let this = ptr::from_ref(self).cast_mut();
        let none = ptr::null_mut();
        if STATE
            .guest
            .compare_exchange(none, this, Ordering::SeqCst, Ordering::SeqCst)
            .is_err()
        {
            return Err(EnterError::Occupied);
        }
        self.has_run.store(true, Ordering::SeqCst);
        self.code.publish(self.page.address());
        self.leave_host();
        if !self.in_host() {
            // SAFETY: the guest is mapped, bound and published; the rest is the caller's.
            unsafe { gate::enter(self.entry.point, self.entry.info, &self.end) };
        }
        if !self.in_host() {
            self.enter_host();
        }
        self.platform.set_alarm(NEVER);
        STATE.guest.store(ptr::null_mut(), Ordering::SeqCst);
        let end = End::from_word(self.end.load(Ordering::SeqCst));
        Ok(end.unwrap_or(End::new(EndKind::Fatal, 0)))
    }

    /// The guest that runs, if one does.
    ///
    /// # Safety
    /// The reference is not used after the guest's end.
    #[must_use]
    pub unsafe fn current<'a>() -> Option<&'a Self> {
        // SAFETY: a guest that runs is not dropped.
        unsafe { STATE.guest.load(Ordering::SeqCst).as_ref() }
    }

    /// The guest's memory.
    #[must_use]
    pub const fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    /// What the guest did that it may not, if that ended it; explained with the image it was made of.
    #[must_use]
    pub fn explain(&self, image: &Image) -> Option<Fault> {
        let record = self.fault.get()?;
        Some(Fault::new(&record, &self.memory, image))
    }

    /// Latches a line, from any thread, at any instruction. Whether the vCPU's thread is to be interrupted or woken, so that it
    /// calls [`Guest::deliver`] or looks again.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line.
    pub fn latch(&self, line: u32) -> Result<bool, Error> {
        self.lines.latch(line)
    }

    /// Whether the guest would notice that a line is raised: it is unmasked, and what was raised before has been taken. On the
    /// vCPU's thread.
    #[must_use]
    pub fn is_ready(&self, line: u32) -> bool {
        self.lines.is_ready(self.page.pending(), line)
    }

    /// Asks for the guest's end, from any thread, at any instruction. The first reason counts. It takes effect when a host
    /// function returns, or at the next [`Guest::deliver`] in guest code.
    pub fn stop(&self, code: i32) {
        self.request_end(End::new(EndKind::Stopped, code));
    }

    /// Whether this is the first reason to end.
    fn request_end(&self, end: End) -> bool {
        let none = 0;
        self.end
            .compare_exchange(none, end.word(), Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
    }

    fn is_stopping(&self) -> bool {
        self.end.load(Ordering::SeqCst) != 0
    }

    fn in_host(&self) -> bool {
        self.in_host.load(Ordering::SeqCst)
    }

    fn enter_host(&self) {
        self.in_host.store(true, Ordering::SeqCst);
        self.platform.enter_host();
    }

    /// Leaves the host for the guest, unless that is to be left. What came meanwhile for the timers is done before.
    fn leave_host(&self) {
        loop {
            self.expire_if_due();
            if self.is_stopping() {
                return;
            }
            self.platform.leave_host();
            self.in_host.store(false, Ordering::SeqCst);
            // What a host function has latched and nobody delivers: the tail looks at what is pending.
            self.lines.flush(self.page.pending());
            // From here on, an alarm is done where it comes.
            if !self.alarm_due.load(Ordering::SeqCst) {
                return;
            }
            self.enter_host();
        }
    }
}
