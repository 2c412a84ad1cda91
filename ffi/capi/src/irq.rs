// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<paravirt/irq.h>`.

use core::ffi::c_void;

use paravirt_bsp::irq::{self, Line, RawHandler};
use paravirt_bsp::{Error, upcall};

fn with(line: u32, action: impl FnOnce(Line) -> Result<(), Error>) -> i32 {
    Error::status(Line::new(line).ok_or(Error::NoSuchDevice).and_then(action))
}

/// Attaches a handler to a line and unmasks it.
///
/// # Safety
/// `handler` is called with the line and `argument`, with interrupts off, until it is detached.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_irq_attach(line: u32, handler: RawHandler, argument: *mut c_void) -> i32 {
    // SAFETY: passed on to the caller.
    with(line, |line| unsafe { line.attach_raw(handler, argument) })
}

/// Masks a line and takes its handler away.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_irq_detach(line: u32) -> i32 {
    with(line, Line::detach)
}

/// Keeps a line from interrupting.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_irq_mask(line: u32) -> i32 {
    with(line, Line::mask)
}

/// Lets a line interrupt again.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_irq_unmask(line: u32) -> i32 {
    with(line, Line::unmask)
}

/// Raises a line by software.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_irq_raise(line: u32) -> i32 {
    with(line, Line::raise)
}

/// Returns whether a line is pending.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_irq_is_pending(line: u32) -> bool {
    Line::new(line).is_some_and(Line::is_pending)
}

/// Forgets that a line is pending.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_irq_clear(line: u32) {
    if let Some(line) = Line::new(line) {
        line.clear();
    }
}

/// Interrupts that found no handler.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_irq_spurious() -> u32 {
    irq::spurious()
}

/// Runs the handlers of all pending lines; for the body of an upcall.
///
/// # Safety
/// As [`irq::dispatch`] says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_irq_dispatch() {
    // SAFETY: passed on to the caller.
    unsafe { irq::dispatch() };
}

/// Puts an operating system's interrupt prologue around [`paravirt_irq_dispatch`].
///
/// # Safety
/// As [`upcall::set_body`] says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_upcall_set_body(body: unsafe extern "C" fn()) {
    // SAFETY: passed on to the caller.
    unsafe { upcall::set_body(body) };
}
