// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a guest needs that runs in ring 0 of an x86 processor, real or virtual: for backends whose host enters the image by its PVH
//! note. How to hear of faults and interrupts, and the few devices that every PC has.
//!
//! The order at entry: [`pvh`] makes a stack and (on x86-64) page tables, [`descriptor`] loads the tables by which a fault is
//! reported from then on, [`start_info`] checks what the loader left, and [`crate::start::enter_by`] asks the backends.

pub(crate) mod cpuid;
mod descriptor;
pub(crate) mod fault;
pub(crate) mod interrupt;
pub(crate) mod message;
#[cfg(target_arch = "x86_64")]
mod paging;
pub(crate) mod port;
pub(crate) mod processor;
pub(crate) mod pvh;
pub(crate) mod qemu;
pub(crate) mod serial;
pub(crate) mod start_info;
pub(crate) mod tsc;

pub(crate) use descriptor::set_tls;

/// Ends the guest for good, with `reason` and `code` for whoever started QEMU; elsewhere the processor halts.
pub(crate) fn stop(reason: &str, code: i32) -> ! {
    qemu::exit(reason, code);
    processor::halt()
}
