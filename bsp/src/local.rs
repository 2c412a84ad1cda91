// SPDX-License-Identifier: MIT OR Apache-2.0
//! State of the one vCPU.

use core::cell::UnsafeCell;

/// State that belongs to the vCPU.
///
/// There is one vCPU, so nothing accesses it at the same time; but an upcall, or a host's entry, comes between any two
/// instructions. A machine word is read and written by one of them. Whoever reads, changes and writes back must have
/// interrupts off.
#[repr(transparent)]
pub(crate) struct Local<T>(UnsafeCell<T>);

// SAFETY: what interrupts is on the same processor. A word is accessed by one volatile instruction, which an interrupt
// comes before or behind; larger values are changed only by the unsafe function, whose caller keeps other accesses
// away. The value may be of use in both because it is `Send`.
unsafe impl<T: Send> Sync for Local<T> {}

impl<T: Copy + Send> Local<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    #[inline]
    pub(crate) fn get(&self) -> T {
        // SAFETY: see `Sync` above; the value is initialized.
        unsafe {
            if const { is_word::<T>() } {
                self.0.get().read_volatile()
            } else {
                self.0.get().read()
            }
        }
    }

    /// Changes the value, which must be of one machine word at most: anything else does not compile.
    #[inline]
    pub(crate) fn set(&self, value: T) {
        const { assert!(is_word::<T>(), "an interrupt could come amid the change") };
        // SAFETY: see `Sync` above.
        unsafe { self.0.get().write_volatile(value) };
    }

    /// Changes a value of any size.
    ///
    /// # Safety
    /// No other access comes amid this one: nothing interrupts that uses the value, as before the first interrupt.
    pub(crate) unsafe fn set_large(&self, value: T) {
        // SAFETY: the caller keeps others away.
        unsafe { self.0.get().write(value) };
    }

    /// Where the value lies.
    #[inline]
    pub(crate) const fn as_ptr(&self) -> *mut T {
        self.0.get()
    }
}

/// Returns whether a value of that type is moved by one instruction.
const fn is_word<T>() -> bool {
    size_of::<T>().is_power_of_two() && size_of::<T>() <= size_of::<usize>()
}
