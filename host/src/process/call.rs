// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a host function sees of the guest that calls it.

use paravirt_abi::error::Error;
use paravirt_abi::signature::Width;
use paravirt_host_core::guest::Frame;
use paravirt_host_core::memory::GuestMemory;

use super::exit::Exit;
use super::functions::{GuestConstPtr, GuestPtr, GuestUsize, Stopped};
use super::lines::LineHandle;
use super::platform::Guest;

/// One call of a host function.
pub struct Call {
    frame: *mut Frame,
    guest: *const Guest,
    stack_bytes: u64,
}

impl Call {
    /// # Safety
    /// Both outlive the call, and nothing else uses the frame meanwhile. Of the arguments on the guest's stack, behind the return
    /// address, that many bytes can be read.
    pub(super) const unsafe fn new(
        frame: *mut Frame,
        guest: *const Guest,
        stack_bytes: u64,
    ) -> Self {
        Self {
            frame,
            guest,
            stack_bytes,
        }
    }

    #[inline]
    pub(super) const fn guest(&self) -> &Guest {
        // SAFETY: outlives the call.
        unsafe { &*self.guest }
    }

    #[inline]
    const fn frame(&mut self) -> &mut Frame {
        // SAFETY: outlives the call and is used by nobody else.
        unsafe { &mut *self.frame }
    }

    /// Pointer width of the guest.
    #[inline]
    #[must_use]
    pub const fn width(&self) -> Width {
        self.guest().width()
    }

    /// The guest's memory.
    #[inline]
    #[must_use]
    pub const fn memory(&self) -> &GuestMemory {
        self.guest().memory()
    }

    /// Copies `length` bytes from the guest.
    ///
    /// # Errors
    /// [`Error::BadAddress`] if they are not wholly in memory that the guest may read.
    pub fn bytes(&self, from: GuestConstPtr<u8>, length: GuestUsize) -> Result<Vec<u8>, Error> {
        self.memory().read(from.address(), length.0)
    }

    /// Copies `bytes` to the guest.
    ///
    /// # Errors
    /// [`Error::BadAddress`] if they do not fit wholly in memory that the guest may write.
    pub fn write_bytes(&mut self, to: GuestPtr<u8>, bytes: &[u8]) -> Result<(), Error> {
        self.memory().write(to.address(), bytes)
    }

    /// A handle to raise a line with, now or from another thread.
    ///
    /// # Errors
    /// [`Error::NoSuchDevice`] if there is no such line.
    pub fn line(&self, line: u32) -> Result<LineHandle, Error> {
        self.guest().platform().line(line)
    }

    /// Stops the guest: it is left when the host function returns. A fault cannot be asked for; it counts as fatal.
    pub fn stop(&mut self, exit: Exit) -> Stopped {
        self.guest().request_end(exit.end());
        Stopped(())
    }

    #[inline]
    pub(super) const fn set_result(&mut self, result: u64) {
        self.frame().result = result;
    }

    #[inline]
    pub(super) const fn set_float_result(&mut self, result: u64) {
        self.frame().float_result = result;
    }

    #[inline]
    pub(super) const fn arguments(&mut self) -> Arguments<'static> {
        let width = self.width();
        // SAFETY: the frame outlives the call; only results are written while the arguments are read.
        let frame = unsafe { &*self.frame };
        Arguments {
            frame,
            width,
            integer: 0,
            float: 0,
            // If there are none on the stack, its pointer may be anything.
            stack: frame.stack.wrapping_add(match width {
                Width::Bits32 => 4,
                Width::Bits64 => 8,
            }),
            stack_bytes: self.stack_bytes,
        }
    }
}

/// The arguments of a call, taken one after the other (System V ABI of the guest's architecture). Who takes more than the prototype has
/// gets zeros.
pub struct Arguments<'a> {
    frame: &'a Frame,
    width: Width,
    integer: usize,
    float: usize,
    /// Address of the next one on the guest's stack.
    stack: u64,
    /// Bytes from there on that the dispatcher has checked to be readable.
    stack_bytes: u64,
}

impl Arguments<'_> {
    /// The next integer that is no wider than a pointer.
    #[inline]
    pub(super) fn word(&mut self) -> u64 {
        match self.width {
            Width::Bits32 => self.pop(u32::from_le_bytes).into(),
            Width::Bits64 => self.double_word(),
        }
    }

    /// The next signed integer of a pointer's width.
    #[inline]
    pub(super) fn signed_word(&mut self) -> i64 {
        match self.width {
            Width::Bits32 => self.pop(i32::from_le_bytes).into(),
            Width::Bits64 => self.double_word() as i64,
        }
    }

    /// The next 64-bit integer.
    #[inline]
    pub(super) fn double_word(&mut self) -> u64 {
        if self.width == Width::Bits64
            && let Some(&register) = self.frame.integers.get(self.integer)
        {
            self.integer += 1;
            return register;
        }
        self.pop(u64::from_le_bytes)
    }

    /// The bits of the next 32-bit float.
    #[inline]
    pub(super) fn float_word(&mut self) -> u64 {
        match self.width {
            Width::Bits32 => self.pop(u32::from_le_bytes).into(),
            Width::Bits64 => self.float_double_word(),
        }
    }

    /// The bits of the next 64-bit float.
    #[inline]
    pub(super) fn float_double_word(&mut self) -> u64 {
        if self.width == Width::Bits64
            && let Some(&register) = self.frame.floats.get(self.float)
        {
            self.float += 1;
            return register;
        }
        self.pop(u64::from_le_bytes)
    }

    #[inline]
    fn pop<const SIZE: usize, T: Default>(&mut self, value: fn([u8; SIZE]) -> T) -> T {
        let Some(rest) = self.stack_bytes.checked_sub(SIZE as u64) else {
            return T::default();
        };
        // SAFETY: readable, see above; bytes have no alignment.
        let bytes = unsafe { (self.stack as *const [u8; SIZE]).read() };
        self.stack += SIZE as u64;
        self.stack_bytes = rest;
        value(bytes)
    }
}
