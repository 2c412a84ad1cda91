// SPDX-License-Identifier: MIT OR Apache-2.0
//! The vCPU page, seen from the host.
//!
//! The guest may change it at any time its code runs, so every access is atomic, through pointers to single fields.

use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering, compiler_fence};

use paravirt_abi::line::TIMERS;
use paravirt_abi::vcpu::{ClockFlags, HOST_MASKED, VcpuPage};

pub use crate::clock::ClockFields;

/// The page of a guest that is loaded. Clearing the interrupt flag, counting and publishing the clock are for the
/// vCPU's thread; the rest is for any.
#[derive(Clone, Copy, Debug)]
pub struct Page(*mut VcpuPage);

macro_rules! field {
    ($page:expr, $ty:ty, $($field:tt)+) => {
        // SAFETY: the page is mapped and aligned (`Page::new`), and both sides access this field atomically.
        unsafe { <$ty>::from_ptr(&raw mut (*$page.0).$($field)+) }
    };
}

impl Page {
    /// The page at that address of the guest, which is one of the host too.
    ///
    /// # Safety
    /// The page is mapped, aligned and writable for as long as the value is used.
    #[must_use]
    pub const unsafe fn new(address: u64) -> Self {
        Self(address as *mut VcpuPage)
    }

    /// Its address.
    #[must_use]
    pub fn address(self) -> u64 {
        self.0 as u64
    }

    /// The virtual interrupt flag.
    #[must_use]
    pub fn interrupts_enabled(self) -> bool {
        field!(self, AtomicU32, interrupts_enabled).load(Ordering::Relaxed) != 0
    }

    /// Clears the virtual interrupt flag, as an upcall does.
    pub fn disable_interrupts(self) {
        field!(self, AtomicU32, interrupts_enabled).store(0, Ordering::Relaxed);
    }

    /// Returns whether a line is pending.
    #[must_use]
    pub fn is_pending(self) -> bool {
        self.pending().load(Ordering::SeqCst) & !HOST_MASKED != 0
    }

    /// Where the guest wants to be entered for an upcall; not checked.
    #[must_use]
    pub fn upcall_entry(self) -> u64 {
        field!(self, AtomicU64, upcall_entry).load(Ordering::Relaxed)
    }

    /// Interrupts for which the guest had no handler.
    #[must_use]
    pub fn spurious(self) -> u32 {
        field!(self, AtomicU32, spurious).load(Ordering::Relaxed)
    }

    /// Counts expirations of a timer. On the vCPU's thread, with one 64-bit store: a guest that reads halves is
    /// interrupted between two of its instructions, never between ours.
    ///
    /// # Panics
    /// If the timer's number is not below [`TIMERS`].
    pub fn count_expirations(self, timer: usize, expirations: u64) {
        let counter = self.expirations_field(timer);
        let sum = counter.load(Ordering::Relaxed).wrapping_add(expirations);
        counter.store(sum, Ordering::Relaxed);
    }

    /// Expirations of each timer since the guest started.
    #[must_use]
    pub fn expirations(self) -> [u64; TIMERS as usize] {
        core::array::from_fn(|timer| self.expirations_field(timer).load(Ordering::Relaxed))
    }

    /// Publishes the clock. On the vCPU's thread, so the reader is one that was interrupted, and order matters to the
    /// compiler only.
    pub fn set_clock(self, fields: &ClockFields) {
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

    /// Withdraws the clock: from now on the guest calls. As for [`Page::set_clock`].
    pub fn clear_clock(self) {
        field!(self, AtomicU32, clock.flags).store(0, Ordering::Relaxed);
    }

    /// The word of pending lines: bit n is line n, beside [`HOST_MASKED`].
    #[must_use]
    pub fn pending(&self) -> &AtomicU32 {
        // SAFETY: the page is mapped and aligned, and both sides access this field atomically.
        unsafe { &(*self.0).pending }
    }

    fn expirations_field(&self, timer: usize) -> &AtomicU64 {
        field!(self, AtomicU64, timer_expirations[timer])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::alloc::{Layout, alloc_zeroed, dealloc};

    #[test]
    fn a_clock_is_published_whole_and_valid() {
        let layout = Layout::new::<VcpuPage>();
        // SAFETY: the layout has a size; all zeros is a page.
        let memory = unsafe { alloc_zeroed(layout) };
        // SAFETY: allocated as the type wants it.
        let page = unsafe { Page::new(memory as u64) };
        for (round, rate) in (1..).zip([5, 7]) {
            let fields = ClockFields {
                multiplier: rate,
                shift: -3,
                base_tsc: 1 << 40,
                base_ns: u64::from(rate) << 33,
            };
            page.set_clock(&fields);
            // SAFETY: nobody else uses the page.
            let clock = unsafe { (&raw const (*page.0).clock).read() };
            assert_eq!(clock.sequence, 2 * round);
            assert_eq!(clock.flags, ClockFlags::VALID.bits());
            let found = ClockFields {
                multiplier: clock.multiplier,
                shift: clock.shift,
                base_tsc: clock.base_tsc,
                base_ns: clock.base_ns,
            };
            assert_eq!(found, fields);
        }
        page.clear_clock();
        // SAFETY: nobody else uses the page.
        let clock = unsafe { (&raw const (*page.0).clock).read() };
        assert_eq!(clock.flags, 0);
        // SAFETY: allocated above with that layout.
        unsafe { dealloc(memory, layout) };
    }
}
