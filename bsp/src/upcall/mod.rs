// SPDX-License-Identifier: MIT OR Apache-2.0
//! The upcall entry: where a host, or a processor in ring 0, interrupts the guest.
//!
//! On entry the virtual interrupt flag is off and the stack holds the frame that the processor would push. The entry owns
//! the window at its end: all registers are restored *before* the store that turns the flag on; then come the test for
//! pending lines and `iret`. An upcall that interrupts in that window finds everything but the outer frame gone, discards its
//! own frame and goes on with the outer one, so that frames never pile up. The host need not know of the window.

use crate::irq;
use crate::local::Local;

#[cfg(target_arch = "x86")]
mod i386;
#[cfg(target_arch = "x86_64")]
mod x86_64;
#[cfg(all(target_arch = "x86_64", feature = "ring0"))]
pub(crate) use x86_64::DEFAULT_MXCSR;

/// What runs between saving and restoring the registers: [`irq::dispatch`], or an operating system's prologue around it.
static BODY: Local<extern "C" fn()> = Local::new(irq::dispatch);

/// Runs the body as an upcall does. Called with interrupts off, when turning them on finds something pending.
#[inline]
pub(crate) fn run_body() {
    BODY.get()();
}

/// Puts an operating system's interrupt prologue around [`irq::dispatch`]: nesting level, interrupt stack, thread dispatch.
///
/// # Safety
/// `body` is called with interrupts off, on the stack of the interrupted code, direction flag clear and FPU in its default state.
/// It must call [`irq::dispatch`] once, and return with interrupts off on the stack it was called on. In between it may turn
/// interrupts on and let other threads run.
pub unsafe fn set_body(body: extern "C" fn()) {
    BODY.set(body);
}
