// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<paravirt/cpu.h>`.

use paravirt_bsp::{Error, cpu};

/// Returns whether interrupts are on.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_cpu_interrupts_enabled() -> bool {
    cpu::interrupts_enabled()
}

/// Turns interrupts off. Returns whether they were on.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_cpu_disable_interrupts() -> bool {
    cpu::save_interrupts()
}

/// Turns interrupts on and delivers what is pending.
///
/// # Safety
/// As [`cpu::enable_interrupts`] says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_cpu_enable_interrupts() {
    // SAFETY: passed on to the caller.
    unsafe { cpu::enable_interrupts() };
}

/// Waits until a line is pending.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_cpu_idle() {
    cpu::idle();
}

/// Sets the base of thread-local storage.
///
/// # Safety
/// Code that uses thread-local storage must find at `base` what its ABI asks for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn paravirt_cpu_set_tls(base: usize) -> i32 {
    // SAFETY: passed on to the caller.
    Error::status(unsafe { cpu::set_tls(base) })
}
