// SPDX-License-Identifier: BSD-2-Clause
//! On AArch64 (`rtems/score/cpu.h`).
//!
//! A level that is to be restored is what the kernel takes for DAIF: bit 7 tells whether interrupts are disabled. The
//! level of a task's mode is 0 or 1.

use paravirt_bsp::cpu;

/// `AARCH64_PSTATE_I`.
const DISABLED: u64 = 1 << 7;

/// Disables interrupts; the old level.
#[unsafe(no_mangle)]
pub extern "C" fn AArch64_interrupt_disable() -> u64 {
    if cpu::save_interrupts() { 0 } else { DISABLED }
}

/// Restores a level that [`AArch64_interrupt_disable`] returned.
///
/// # Safety
/// As [`cpu::restore_interrupts`] says; the kernel keeps its critical sections.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn AArch64_interrupt_enable(isr_cookie: u64) {
    // SAFETY: passed on to the caller.
    unsafe { cpu::restore_interrupts(isr_cookie & DISABLED == 0) };
}

/// Restores a level for a moment.
///
/// # Safety
/// As [`AArch64_interrupt_enable`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn AArch64_interrupt_flash(isr_cookie: u64) {
    // SAFETY: passed on to the caller.
    unsafe { AArch64_interrupt_enable(isr_cookie) };
    cpu::disable_interrupts();
}

/// Sets the interrupt level of a task's mode: 0 enables interrupts, everything else disables them.
///
/// # Safety
/// As [`cpu::enable_interrupts`] says; the kernel keeps its critical sections.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn _CPU_ISR_Set_level(level: u32) {
    if level == 0 {
        // SAFETY: passed on to the caller.
        unsafe { cpu::enable_interrupts() };
    } else {
        cpu::disable_interrupts();
    }
}

/// The interrupt level: 0 with interrupts enabled, else 1.
#[unsafe(no_mangle)]
pub extern "C" fn _CPU_ISR_Get_level() -> u32 {
    u32::from(!cpu::interrupts_enabled())
}
