// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a partition.

use paravirt_abi::shutdown::Reason;

use super::syscall::{PARTITION_GET_ID, THREAD_SUSPEND, call};
use crate::println;

crate::in_guest_functions! { pub(super) const FUNCTIONS = { pv_shutdown = shutdown }; }

/// Says on the console what would be an exit status elsewhere, and stops the partition's only thread. The node and its
/// other partitions go on, so the kernel's call that ends the node is not made, and a reset is left to whoever
/// supervises it.
pub(super) extern "C" fn shutdown(reason: u32, code: i32) -> ! {
    let word = Reason::from_number(reason).unwrap_or(Reason::Fatal).name();
    println!("paravirt: partition {}: shutdown {word} {code}", partition());
    stop()
}

/// The partition's number in the node's configuration, from 0.
fn partition() -> u8 {
    let mut number = 0u8;
    // SAFETY: the address of a byte that lives through the call.
    unsafe { call(PARTITION_GET_ID, [&raw mut number as usize as u32]) };
    number
}

/// Stops for ever.
pub(super) fn stop() -> ! {
    loop {
        // SAFETY: no arguments.
        unsafe { call(THREAD_SUSPEND, []) };
    }
}
