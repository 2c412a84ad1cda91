// SPDX-License-Identifier: BSD-2-Clause
//! On i386 (`rtems/score/interrupts.h`).
//!
//! A level is what the kernel takes for EFLAGS: bit 9 tells whether interrupts are enabled. Here it is the virtual
//! interrupt flag.

use paravirt_bsp::cpu;

/// `EFLAGS_INTR_ENABLE`.
const ENABLED: u32 = 1 << 9;

/// Disables interrupts; the old level.
#[unsafe(no_mangle)]
pub extern "C" fn i386_disable_interrupts() -> u32 {
    if cpu::save_interrupts() { ENABLED } else { 0 }
}

/// Restores a level that [`i386_disable_interrupts`] returned.
///
/// # Safety
/// As [`cpu::restore_interrupts`] says; the kernel keeps its critical sections.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn i386_enable_interrupts(level: u32) {
    // SAFETY: passed on to the caller.
    unsafe { cpu::restore_interrupts(level & ENABLED != 0) };
}

/// Restores a level for a moment.
///
/// # Safety
/// As [`i386_enable_interrupts`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn i386_flash_interrupts(level: u32) {
    // SAFETY: passed on to the caller.
    unsafe { i386_enable_interrupts(level) };
    cpu::disable_interrupts();
}

/// Sets the interrupt level of a task's mode: 0 enables interrupts, everything else disables them.
///
/// # Safety
/// As [`cpu::enable_interrupts`] says; the kernel keeps its critical sections.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn i386_set_interrupt_level(level: u32) {
    if level == 0 {
        // SAFETY: passed on to the caller.
        unsafe { cpu::enable_interrupts() };
    } else {
        cpu::disable_interrupts();
    }
}

/// The interrupt level: 0 with interrupts enabled, else 1.
#[unsafe(no_mangle)]
pub extern "C" fn i386_get_interrupt_level() -> u32 {
    u32::from(!cpu::interrupts_enabled())
}
