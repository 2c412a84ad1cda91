// SPDX-License-Identifier: MIT OR Apache-2.0
//! The virtual interrupt flag and idle.
//!
//! Turning interrupts off is a store to the vCPU page; turning them on is a store and a test. No host call is made
//! unless something is pending.
//!
//! With interrupts off, nothing else runs on the one vCPU: that is a critical section, and [`without_interrupts`] hands
//! out the token that says so.
//!
//! ```no_run
//! use core::cell::Cell;
//! use critical_section::Mutex;
//! use paravirt_bsp::cpu;
//!
//! static TOTAL: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));
//!
//! /// For handlers and for the code that they interrupt.
//! fn add(amount: u64) {
//!     cpu::without_interrupts(|section| {
//!         let total = TOTAL.borrow(section);
//!         total.set(total.get() + amount);
//!     });
//! }
//! # fn main() {}
//! ```
//!
//! So turning them on is `unsafe`, but for the end of `without_interrupts`: it would end the critical section of
//! somebody further up. Nobody has to: [`image!`](crate::image!) turns them on before `main`.

use core::sync::atomic::{Ordering, compiler_fence};

use critical_section::CriticalSection;

use crate::{Error, interface, irq, vcpu};

/// Returns whether interrupts are on.
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

/// Turns interrupts off. Returns whether they were on, for [`restore_interrupts`].
#[inline]
#[must_use]
pub fn save_interrupts() -> bool {
    let were_on = interrupts_enabled();
    disable_interrupts();
    were_on
}

/// Turns interrupts on and delivers what is pending.
///
/// # Safety
/// Nobody up the chain of calls counts on interrupts being off: not within [`without_interrupts`] or another critical
/// section. A handler may, at its own level; then other lines' handlers nest in it.
#[inline]
pub unsafe fn enable_interrupts() {
    // What came before must not be moved down behind the store.
    compiler_fence(Ordering::SeqCst);
    vcpu::interrupt_flag().write(1);
    // SAFETY: it is on.
    unsafe { irq::deliver_if_pending() };
}

/// Turns interrupts on if `were_on` says so.
///
/// # Safety
/// As [`enable_interrupts`] if `were_on`; it is kept if that is the result of the latest [`save_interrupts`] that was
/// not yet restored.
#[inline]
pub unsafe fn restore_interrupts(were_on: bool) {
    if were_on {
        // SAFETY: passed on to the caller.
        unsafe { enable_interrupts() };
    }
}

/// Runs `body` with interrupts off, and then puts them back as they were. The token gives access to what is shared with
/// handlers, see [`critical_section::Mutex`].
#[inline]
pub fn without_interrupts<R>(body: impl FnOnce(CriticalSection<'_>) -> R) -> R {
    let were_on = save_interrupts();
    // SAFETY: interrupts are off until `body` has returned, which the token cannot outlive.
    let result = body(unsafe { CriticalSection::new() });
    // SAFETY: what was saved above; `body` could only leave the flag as it found it.
    unsafe { restore_interrupts(were_on) };
    result
}

/// Waits until a line is pending, without using the processor. With interrupts on, its handler has run on return.
///
/// No wake-up is lost: a line that is raised between the caller's last look and the wait ends the wait at once. To wait
/// for a condition that a handler sets, use [`idle_until`].
pub fn idle() {
    let were_on = save_interrupts();
    // With interrupts off, a line may stay pending for long: the host is called all the same, which may look for what
    // else has come.
    if !were_on || vcpu::pending().load(Ordering::Relaxed) == 0 {
        // SAFETY: no arguments; called with the virtual interrupt flag off, as the interface asks.
        unsafe { interface::pv_cpu_idle() };
    }
    if were_on {
        // SAFETY: they were on when this was called, so no critical section is open.
        unsafe { enable_interrupts() };
    } else {
        irq::open_host();
    }
}

/// Idles until `done` returns true. It is tested with interrupts off, so a handler that makes it true cannot come
/// between test and wait; handlers run if interrupts were on.
pub fn idle_until(mut done: impl FnMut(CriticalSection<'_>) -> bool) {
    let were_on = save_interrupts();
    // SAFETY: interrupts are off for each call of `done`, which the token cannot outlive.
    while !done(unsafe { CriticalSection::new() }) {
        idle();
        // SAFETY: what was saved above, between two critical sections.
        unsafe { restore_interrupts(were_on) };
        disable_interrupts();
    }
    // SAFETY: as above.
    unsafe { restore_interrupts(were_on) };
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
