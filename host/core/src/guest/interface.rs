// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface functions, on what the platform gives. Ports are not among them: user mode has none to grant.
//!
//! For host functions: on the vCPU's thread, between entering and leaving the host. The guest's pointers are checked
//! here. Pointers and sizes are those of the guest, in 64 bits.

use core::slice;

use paravirt_abi::error::Error;
use paravirt_abi::line::CONSOLE;
use paravirt_abi::shutdown::Reason;
use paravirt_abi::signature::Width;

use super::{End, EndKind, Guest, Platform, Stopped};

/// Calls the macro `$with` with the declarations of a list (see [`paravirt_abi::interface`]) that have methods of their
/// names here, one after the other: those of all classes but ports.
#[macro_export]
macro_rules! offered_functions {
    ([$with:ident] [$($offered:tt)*] port { $($_declarations:tt)* } $($rest:tt)*) => {
        $crate::offered_functions! { [$with] [$($offered)*] $($rest)* }
    };
    ([$with:ident] [$($offered:tt)*] $_class:ident { $($declarations:tt)* } $($rest:tt)*) => {
        $crate::offered_functions! { [$with] [$($offered)* $($declarations)*] $($rest)* }
    };
    ([$with:ident] [$($offered:tt)*]) => { $with! { $($offered)* } };
}

#[expect(missing_docs, reason = "the list of the interface documents its functions")]
impl<P: Platform> Guest<P> {
    pub fn pv_console_write(&self, buffer: u64, length: u64) -> Result<usize, Error> {
        if !self.memory.readable(buffer, length) {
            return Err(Error::BadAddress);
        }
        if length == 0 {
            return Ok(0);
        }
        let length = length.min(self.longest()) as usize;
        // SAFETY: readable as checked, and the guest does not run meanwhile.
        let bytes = unsafe { slice::from_raw_parts(buffer as *const u8, length) };
        self.platform.console_write(bytes)
    }

    pub fn pv_console_read(&self, buffer: u64, length: u64) -> Result<usize, Error> {
        if !self.memory.writable(buffer, length) {
            return Err(Error::BadAddress);
        }
        if length == 0 {
            return Ok(0);
        }
        if length > self.longest() {
            return Err(Error::InvalidArgument);
        }
        // SAFETY: writable as checked, and the guest does not run meanwhile.
        let bytes = unsafe { slice::from_raw_parts_mut(buffer as *mut u8, length as usize) };
        self.take_input(bytes)
    }

    /// The most bytes that the guest's `isize` can say; no slice is longer.
    const fn longest(&self) -> u64 {
        match self.width {
            Width::Bits32 => i32::MAX as u64,
            Width::Bits64 => i64::MAX as u64,
        }
    }

    /// Takes input without waiting; the number of bytes.
    pub(crate) fn take_input(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        let (count, more) = self.platform.console_read(buffer)?;
        if more {
            // The line is raised as long as there is input, so that a handler may take one byte at a time.
            self.lines.raise(self.page.pending(), CONSOLE)?;
        }
        Ok(count)
    }

    pub fn pv_clock_now(&self) -> u64 {
        self.platform.now().saturating_sub(self.start_time)
    }

    pub fn pv_clock_wall(&self) -> u64 {
        self.platform.wall()
    }

    pub fn pv_timer_start(&self, timer: u32, first: u64, period: u64) -> Result<(), Error> {
        self.timers.start(self, timer, first, period)
    }

    pub fn pv_timer_stop(&self, timer: u32) -> Result<(), Error> {
        self.timers.stop(self, timer)
    }

    pub fn pv_irq_attach(&self, line: u32) -> Result<(), Error> {
        self.lines.attach(self.page.pending(), line)?;
        if line == CONSOLE {
            self.platform.console_attach()?;
        }
        Ok(())
    }

    pub fn pv_irq_detach(&self, line: u32) -> Result<(), Error> {
        self.lines.detach(self.page.pending(), line)
    }

    pub fn pv_irq_mask(&self, line: u32) -> Result<(), Error> {
        self.lines.mask(self.page.pending(), line)
    }

    pub fn pv_irq_unmask(&self, line: u32) -> Result<(), Error> {
        self.lines.unmask(self.page.pending(), line)
    }

    pub fn pv_irq_raise(&self, line: u32) -> Result<(), Error> {
        self.lines.raise(self.page.pending(), line)
    }

    pub fn pv_cpu_idle(&self) {
        self.platform.count_idle(|| {
            loop {
                self.expire_if_due();
                self.lines.flush(self.page.pending());
                if self.page.is_pending() || self.is_stopping() {
                    return;
                }
                self.platform.wait();
            }
        });
    }

    pub fn pv_cpu_set_tls(&self, base: u64) -> Result<(), Error> {
        self.platform.set_tls(base)
    }

    pub fn pv_shutdown(&self, reason: u32, code: i32) -> Stopped {
        self.end(match Reason::from_number(reason) {
            Some(Reason::Exit) => End::new(EndKind::Exit, code),
            Some(Reason::Reset) => End::new(EndKind::Reset, 0),
            Some(Reason::Fatal) | None => End::new(EndKind::Fatal, code),
        })
    }
}
