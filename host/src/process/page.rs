// SPDX-License-Identifier: MIT OR Apache-2.0
//! The vCPU page, seen from the host.
//!
//! The guest may change it at any time its code runs, so every access is atomic, through pointers to single fields.

use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering, compiler_fence};

use paravirt_abi::line::TIMERS;
use paravirt_abi::vcpu::{ClockFlags, HOST_MASKED, VcpuPage};

/// The page of the running guest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page(*mut VcpuPage);

/// The fields of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClockFields {
    pub(super) multiplier: u32,
    pub(super) shift: i32,
    pub(super) base_tsc: u64,
    pub(super) base_ns: u64,
}

macro_rules! field {
    ($page:expr, $ty:ty, $($field:tt)+) => {
        // SAFETY: the page is mapped and aligned (`Page::new`), and both sides access this field atomically.
        unsafe { <$ty>::from_ptr(&raw mut (*$page.0).$($field)+) }
    };
}

impl Page {
    /// # Safety
    /// The page is mapped, aligned and writable for as long as the value is used.
    pub(super) const unsafe fn new(address: u64) -> Self {
        Self(address as *mut VcpuPage)
    }

    pub(super) fn address(self) -> u64 {
        self.0 as u64
    }

    pub(super) fn interrupts_enabled(self) -> bool {
        field!(self, AtomicU32, interrupts_enabled).load(Ordering::Relaxed) != 0
    }

    pub(super) fn disable_interrupts(self) {
        field!(self, AtomicU32, interrupts_enabled).store(0, Ordering::Relaxed);
    }

    /// Whether a line is pending.
    pub(super) fn is_pending(self) -> bool {
        self.pending().load(Ordering::SeqCst) & !HOST_MASKED != 0
    }

    pub(super) fn set_pending(self, lines: u32) {
        self.pending().fetch_or(lines, Ordering::SeqCst);
    }

    /// Withdraws lines; which of them were pending.
    pub(super) fn take_pending(self, lines: u32) -> u32 {
        self.pending().fetch_and(!lines, Ordering::SeqCst) & lines
    }

    pub(super) fn upcall_entry(self) -> u64 {
        field!(self, AtomicU64, upcall_entry).load(Ordering::Relaxed)
    }

    pub(super) fn spurious(self) -> u32 {
        field!(self, AtomicU32, spurious).load(Ordering::Relaxed)
    }

    pub(super) fn version(self) -> u32 {
        field!(self, AtomicU32, version).load(Ordering::Relaxed)
    }

    /// Counts expirations of a timer. On the vCPU's thread, with one 64-bit store: a guest that reads halves is interrupted
    /// between two of its instructions, never between ours.
    pub(super) fn count_expirations(self, timer: usize, expirations: u64) {
        let counter = self.expirations_field(timer);
        let sum = counter.load(Ordering::Relaxed).wrapping_add(expirations);
        counter.store(sum, Ordering::Relaxed);
    }

    pub(super) fn expirations(self) -> [u64; TIMERS as usize] {
        std::array::from_fn(|timer| self.expirations_field(timer).load(Ordering::Relaxed))
    }

    /// Publishes the clock. On the vCPU's thread, so the reader is one that was interrupted, and order matters to the compiler
    /// only.
    pub(super) fn set_clock(self, fields: &ClockFields) {
        let sequence = field!(self, AtomicU32, clock.sequence);
        let before = sequence.load(Ordering::Relaxed) & !1;
        sequence.store(before.wrapping_add(1), Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        field!(self, AtomicU32, clock.multiplier).store(fields.multiplier, Ordering::Relaxed);
        field!(self, AtomicI32, clock.shift).store(fields.shift, Ordering::Relaxed);
        field!(self, AtomicU64, clock.base_tsc).store(fields.base_tsc, Ordering::Relaxed);
        field!(self, AtomicU64, clock.base_ns).store(fields.base_ns, Ordering::Relaxed);
        field!(self, AtomicU32, clock.flags).store(ClockFlags::VALID.bits(), Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        sequence.store(before.wrapping_add(2), Ordering::Relaxed);
    }

    fn pending(&self) -> &AtomicU32 {
        // SAFETY: the page is mapped and aligned, and both sides access this field atomically.
        unsafe { &(*self.0).pending }
    }

    fn expirations_field(&self, timer: usize) -> &AtomicU64 {
        field!(self, AtomicU64, timer_expirations[timer])
    }
}
