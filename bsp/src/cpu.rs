// SPDX-License-Identifier: MIT OR Apache-2.0
//! The virtual interrupt flag and idle.
//!
//! Turning interrupts off is a store to the vCPU page; turning them on is a store and a test. No host call is made
//! unless something is pending.

use core::sync::atomic::{Ordering, compiler_fence};

use crate::{Error, interface, irq, vcpu};

/// Whether interrupts are on.
#[inline]
#[must_use]
pub fn interrupts_enabled() -> bool {
    vcpu::interrupt_flag().read() != 0
}

/// Turns interrupts off.
#[inline]
pub fn disable_interrupts() {
    vcpu::interrupt_flag().write(0);
    // What follows must not be moved up before the store.
    compiler_fence(Ordering::SeqCst);
}

/// Turns interrupts off; whether they were on, for [`restore_interrupts`].
#[inline]
#[must_use]
pub fn save_interrupts() -> bool {
    let were_on = interrupts_enabled();
    disable_interrupts();
    were_on
}

/// Turns interrupts on and delivers what is pending.
#[inline]
pub fn enable_interrupts() {
    // What came before must not be moved down behind the store.
    compiler_fence(Ordering::SeqCst);
    vcpu::interrupt_flag().write(1);
    irq::deliver_if_pending();
}

/// Turns interrupts on if `were_on`, the result of [`save_interrupts`], says so.
#[inline]
pub fn restore_interrupts(were_on: bool) {
    if were_on {
        enable_interrupts();
    }
}

/// Runs `body` with interrupts off.
#[inline]
pub fn without_interrupts<R>(body: impl FnOnce() -> R) -> R {
    let were_on = save_interrupts();
    let result = body();
    restore_interrupts(were_on);
    result
}

/// Waits until a line is pending, without using the processor. With interrupts on, its handler has run on return.
///
/// No wake-up is lost: a line that is raised between the caller's last look and the wait ends the wait at once. To wait
/// for a condition that a handler sets, use [`idle_until`].
pub fn idle() {
    let were_on = save_interrupts();
    // With interrupts off, a line may stay pending for long: the host is called all the same, which may look for what else has come.
    if !were_on || vcpu::pending().load(Ordering::Relaxed) == 0 {
        // SAFETY: no arguments; called with the virtual interrupt flag off, as the interface asks.
        unsafe { interface::pv_cpu_idle() };
    }
    if were_on {
        enable_interrupts();
    } else {
        irq::open_host();
    }
}

/// Idles until `done` returns true. It is tested with interrupts off, so a handler that makes it true cannot come between test
/// and wait; handlers run if interrupts were on.
pub fn idle_until(mut done: impl FnMut() -> bool) {
    let were_on = save_interrupts();
    while !done() {
        idle();
        restore_interrupts(were_on);
        disable_interrupts();
    }
    restore_interrupts(were_on);
}

/// Sets the base of thread-local storage: fs on x86-64, gs on i386. Only user-mode hosts offer it.
///
/// # Errors
/// [`Error::NotOffered`], or [`Error::InvalidArgument`] for an address the processor refuses.
///
/// # Safety
/// Code that uses thread-local storage must find at `base` what its ABI asks for.
pub unsafe fn set_tls(base: usize) -> Result<(), Error> {
    // SAFETY: a number; the caller answers for what it means.
    crate::result(unsafe { interface::pv_cpu_set_tls(base) })
}
