// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which POK this is: the kernel as it is maintained, or the fork with calls for interrupts, made for RTEMS.
//!
//! The fork has the same calls with the same numbers, and other units.

use super::syscall::{GET_TICK, OK, call};
use crate::local::Local;

/// What differs between the kernels.
#[derive(Clone, Copy)]
pub(super) struct Kernel {
    /// Unit of the clock in ns.
    pub(super) clock_unit: u64,
    /// Unit of sleeps in ns.
    pub(super) sleep_unit: u64,
    /// Whether there is a call that reads the console; an unknown call ends the node.
    pub(super) has_input: bool,
    /// Whether it turns SSE on.
    pub(super) has_sse: bool,
    /// Whether there are calls for interrupts, if the kernel was built with them.
    has_interrupts: bool,
}

const MAINTAINED: Kernel = Kernel {
    clock_unit: 1,
    sleep_unit: 1_000,
    has_input: true,
    has_sse: true,
    has_interrupts: false,
};

/// Its clock counts the interrupts of a timer of 1 kHz, in which it sleeps, too.
const FORK: Kernel = Kernel {
    clock_unit: 1_000_000,
    sleep_unit: 1_000_000,
    has_input: false,
    has_sse: false,
    has_interrupts: true,
};

static CURRENT: Local<Kernel> = Local::new(MAINTAINED);

/// The kernel that this is.
pub(super) fn current() -> Kernel {
    CURRENT.get()
}

/// Returns whether idle waits for an interrupt instead of sleeping: the kernel has calls for that, and the image is to
/// make them.
pub(super) fn waits_for_interrupts() -> bool {
    cfg!(feature = "pok-irq") && current().has_interrupts
}

/// Finds out which kernel this is from the step of its clock, which takes up to a millisecond. Returns whether there is
/// a clock.
///
/// One interrupt of the timer is a step of 9,200 to the one and of 1 to the other. Other partitions' slots between two
/// readings add up to a larger one.
pub(super) fn detect() -> bool {
    /// Smaller steps are counts, of up to 5 s; no step in ns is so small.
    const SHORTEST_STEP_NS: u64 = 5_000;
    let Some(first) = clock() else {
        return false;
    };
    loop {
        let step = clock().unwrap_or(first).wrapping_sub(first);
        if step != 0 {
            let kernel = if step < SHORTEST_STEP_NS { FORK } else { MAINTAINED };
            // SAFETY: at the start, before the first interrupt.
            unsafe { CURRENT.set_large(kernel) };
            return true;
        }
    }
}

/// The kernel's time since it was started, in its unit; `None` if it tells none.
pub(super) fn clock() -> Option<u64> {
    let mut time: u64 = 0;
    // SAFETY: the address of 8 bytes that live through the call.
    let result = unsafe { call(GET_TICK, [&raw mut time as usize as u32]) };
    (result == OK).then_some(time)
}
