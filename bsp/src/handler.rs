// SPDX-License-Identifier: MIT OR Apache-2.0
//! A place for a handler and its state.

use core::cell::Cell;
use core::ffi::c_void;

use critical_section::{CriticalSection, Mutex};

use crate::Error;

/// A handler in the C form, and what it is called with.
#[derive(Clone, Copy)]
struct Attached<F> {
    function: F,
    argument: *mut c_void,
}

// SAFETY: both are only kept and passed on; whoever attached them vouches that the handler may use the argument
// whenever it is called.
unsafe impl<F: Send> Send for Attached<F> {}

/// Where the handler of a line or a timer is kept.
pub(crate) struct Slot<F>(Mutex<Cell<Option<Attached<F>>>>);

impl<F: Copy> Slot<F> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Cell::new(None)))
    }

    /// The handler and its argument.
    #[inline]
    pub(crate) fn get(&self, section: CriticalSection<'_>) -> Option<(F, *mut c_void)> {
        let attached = self.0.borrow(section).get()?;
        Some((attached.function, attached.argument))
    }

    /// Keeps a handler.
    ///
    /// # Errors
    /// [`Error::Busy`] if there is one.
    pub(crate) fn fill(&self, section: CriticalSection<'_>, function: F, argument: *mut c_void) -> Result<(), Error> {
        let slot = self.0.borrow(section);
        if slot.get().is_some() {
            return Err(Error::Busy);
        }
        slot.set(Some(Attached { function, argument }));
        Ok(())
    }

    /// Forgets the handler.
    pub(crate) fn clear(&self, section: CriticalSection<'_>) {
        self.0.borrow(section).set(None);
    }
}
