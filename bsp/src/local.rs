// SPDX-License-Identifier: MIT OR Apache-2.0
//! State of the one vCPU.

use core::cell::Cell;

/// A word of state that belongs to the vCPU.
///
/// There is one vCPU, so there is no second thread; an upcall can interrupt between two accesses, but not within one.
/// Whoever reads, changes and writes back must have interrupts off.
#[repr(transparent)]
pub(crate) struct Local<T>(Cell<T>);

// SAFETY: only the one vCPU accesses guest memory of the guest layer, so a `Cell` is never used by two threads. An
// upcall nests like a function call on that same thread.
unsafe impl<T> Sync for Local<T> {}

impl<T: Copy> Local<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(Cell::new(value))
    }

    #[inline]
    pub(crate) fn get(&self) -> T {
        self.0.get()
    }

    #[inline]
    pub(crate) fn set(&self, value: T) {
        self.0.set(value);
    }

    /// Where the value lies.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut T {
        self.0.as_ptr()
    }
}
