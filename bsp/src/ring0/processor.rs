// SPDX-License-Identifier: MIT OR Apache-2.0
//! The processor's interrupt flag and its registers that Rust has no name for.

use core::arch::asm;

/// The processor's interrupt flag in its flags register.
pub const INTERRUPT_FLAG: usize = 1 << 9;

/// Returns whether this code runs in ring 0. May be asked anywhere.
#[must_use]
pub fn is_in_ring0() -> bool {
    let selector: u32;
    // SAFETY: reads a register that every ring may read.
    unsafe { asm!("mov {:e}, cs", out(reg) selector, options(nomem, nostack, preserves_flags)) };
    // The lowest two bits are the ring.
    selector & 3 == 0
}

/// Sets the processor's interrupt flag.
#[inline]
pub fn open_interrupts() {
    // SAFETY: the entries of `interrupt` are installed before any backend starts, and in user mode the instruction
    // faults. Not `nomem`: entries change memory.
    unsafe { asm!("sti", options(nostack)) };
}

/// Clears the processor's interrupt flag.
#[inline]
pub fn close_interrupts() {
    // SAFETY: changes nothing but the flag. Not `nomem`: memory must not be read before it.
    unsafe { asm!("cli", options(nostack)) };
}

/// Waits for an interrupt with the processor's flag set, and returns with it clear. Called with it clear. `sti` takes
/// effect after the next instruction, so no interrupt comes between it and `hlt`.
pub fn wait() {
    // SAFETY: as for `open_interrupts`.
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
}

/// Turns AVX state on, beside that of x87 and SSE and nothing wider, so that upcalls keep all that code can use.
///
/// # Safety
/// The processor has it: `cpuid` says so, or the hypervisor where it answers for the processor. Before interrupts are
/// on.
pub(crate) unsafe fn turn_on_avx() {
    const OSXSAVE: usize = 1 << 18;
    /// x87, SSE, AVX.
    const COMPONENTS: u32 = 0b111;
    // SAFETY: the caller's part of the contract; state that is on does not change.
    unsafe {
        let control: usize;
        asm!("mov {}, cr4", out(reg) control, options(nomem, nostack, preserves_flags));
        asm!(
            "mov cr4, {}",
            "xsetbv",
            in(reg) control | OSXSAVE, in("eax") COMPONENTS, in("ecx") 0, in("edx") 0,
            options(nostack, preserves_flags),
        );
    }
}

/// Stops the processor for good.
pub fn halt() -> ! {
    loop {
        // SAFETY: changes nothing; only an interrupt that cannot be masked ends the wait, hence the loop.
        unsafe { asm!("cli", "hlt", options(nostack)) };
    }
}

/// The address that the last page fault was about.
pub fn fault_address() -> usize {
    let address;
    // SAFETY: reads a register, in ring 0.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}

/// Writes a model-specific register.
///
/// # Safety
/// The register exists, takes the value, and what the value changes is the caller's intention.
#[cfg(target_arch = "x86_64")]
pub unsafe fn write_msr(register: u32, value: u64) {
    // SAFETY: the caller answers for it.
    unsafe {
        asm!(
            "wrmsr",
            in("ecx") register, in("eax") value as u32, in("edx") (value >> 32) as u32,
            options(nostack, preserves_flags),
        );
    }
}

/// The time-stamp counter.
#[inline]
pub fn tsc() -> u64 {
    crate::clock::counter()
}
