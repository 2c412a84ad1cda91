// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest needs that runs at EL1 of an AArch64 processor, real or virtual: for backends whose host enters the
//! image as a processor comes out of reset. How to hear of faults and interrupts, and the few devices that such
//! machines have.
//!
//! The feature `el1` brings it, which every backend that uses it asks for. Elsewhere than at EL1, most of what it does
//! is a fault. The modules that [`ring0`](https://docs.rs/paravirt-bsp) has on x86 have the same names here.
//!
//! The order at entry: `entry` goes down to EL1, turns the memory management unit on (until then accesses must be
//! aligned, and exclusive ones have no effect on hardware) and loads the vectors by which a fault is reported from then
//! on; [`device_tree`] checks what the loader left; [`crate::start::enter_by`] asks the backends.
//!
//! The guest's code uses `SP_EL0`, faults are reported on `SP_EL1`: a stack that overflows can be told of.

pub mod device_tree;
mod entry;
pub mod fault;
pub mod gic;
pub mod interrupt;
pub mod paging;
pub mod processor;
pub mod psci;
pub mod qemu;
pub mod serial;
pub mod timer;
mod vectors;

use crate::Error;
pub use crate::message;
pub use crate::stop::{set_stop, stop};

/// Sets the base of thread-local storage, `TPIDR_EL0`.
///
/// # Errors
/// None: the register takes any address.
///
/// # Safety
/// Code that uses thread-local storage must find at `base` what its ABI asks for.
pub unsafe fn set_tls(base: usize) -> Result<(), Error> {
    // SAFETY: a register that nothing but such code reads.
    unsafe { core::arch::asm!("msr tpidr_el0, {}", in(reg) base, options(nomem, nostack, preserves_flags)) };
    Ok(())
}
