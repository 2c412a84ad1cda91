// SPDX-License-Identifier: MIT OR Apache-2.0
//! The processor's interrupt mask and its registers that Rust has no name for.

use core::arch::asm;

/// The mask of interrupts (`I`) in the processor's state.
pub const INTERRUPT_MASK: u64 = 1 << 7;

/// Reads a system register.
macro_rules! read_register {
    ($name:literal) => {{
        let value: u64;
        // SAFETY: reads a register that EL1 may read; whoever names another one gets a fault that is reported.
        unsafe {
            core::arch::asm!(
                concat!("mrs {}, ", $name),
                out(reg) value,
                options(nomem, nostack, preserves_flags),
            )
        };
        value
    }};
}
pub(crate) use read_register;

/// Lets interrupts through, and errors of the system: an entry keeps both away, and a thread that it switches to does
/// not go back by its way.
#[inline]
pub fn open_interrupts() {
    // SAFETY: the vectors are loaded before any backend starts, and in user mode the instruction faults. Not `nomem`:
    // entries change memory.
    unsafe { asm!("msr daifclr, #6", options(nostack)) };
}

/// Keeps interrupts away.
#[inline]
pub fn close_interrupts() {
    // SAFETY: changes nothing but the mask. Not `nomem`: memory must not be read before it.
    unsafe { asm!("msr daifset, #2", options(nostack)) };
}

/// Waits for an interrupt, lets it in, and returns with interrupts kept away, as they are when it is called. The wait
/// ends by an interrupt that is kept away, too, so none comes in between.
pub fn wait() {
    // SAFETY: as for `open_interrupts`.
    unsafe {
        asm!(
            "dsb sy",
            "wfi",
            "msr daifclr, #6",
            "isb",
            "msr daifset, #2",
            options(nostack)
        )
    };
}

/// Stops the processor for good.
pub fn halt() -> ! {
    loop {
        // SAFETY: changes nothing; what is kept away ends the wait as well, hence the loop.
        unsafe { asm!("msr daifset, #15", "wfi", options(nostack)) };
    }
}

/// The number of this processor as interrupt controllers have it: affinity levels 3, 2, 1 and 0, a byte each, the
/// highest first.
#[must_use]
pub fn affinity() -> u32 {
    let register = read_register!("mpidr_el1");
    (register >> 8) as u32 & 0xff00_0000 | register as u32 & 0x00ff_ffff
}
