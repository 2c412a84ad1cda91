// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<paravirt/irq.h>`.

use core::ffi::c_void;

use paravirt_bsp::{irq, upcall};

/// Attaches a handler to a line and unmasks it.
///
/// # Safety
/// `handler` is called with the line and `argument`, with interrupts off, until it is detached.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_irq_attach(
    line: u32,
    handler: irq::Handler,
    argument: *mut c_void,
) -> i32 {
    crate::status(irq::attach(line, handler, argument))
}

/// Masks a line and takes its handler away.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_irq_detach(line: u32) -> i32 {
    crate::status(irq::detach(line))
}

/// Keeps a line from interrupting.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_irq_mask(line: u32) -> i32 {
    crate::status(irq::mask(line))
}

/// Lets a line interrupt again.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_irq_unmask(line: u32) -> i32 {
    crate::status(irq::unmask(line))
}

/// Raises a line by software.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_irq_raise(line: u32) -> i32 {
    crate::status(irq::raise(line))
}

/// Whether a line is pending.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_irq_is_pending(line: u32) -> bool {
    irq::is_pending(line)
}

/// Forgets that a line is pending.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_irq_clear(line: u32) {
    irq::clear(line);
}

/// Interrupts that found no handler.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_irq_spurious() -> u32 {
    irq::spurious()
}

/// Runs the handlers of all pending lines; for the body of an upcall.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_irq_dispatch() {
    irq::dispatch();
}

/// Puts an operating system's interrupt prologue around [`paravirt_irq_dispatch`].
///
/// # Safety
/// As [`upcall::set_body`] says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_upcall_set_body(body: extern "C" fn()) {
    // SAFETY: passed on to the caller.
    unsafe { upcall::set_body(body) };
}
