// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls for the timer of a domain on x86, and for its wait.

#[cfg(target_arch = "x86_64")]
use super::SCHED_OP;
use super::call;

const VCPU_OP: usize = 24;

/// Has the timer event come once at `deadline`, in ns of Xen's system time; at once if that has passed.
pub(in super::super) fn set_timer(deadline: u64) -> isize {
    const VCPUOP_SET_SINGLESHOT_TIMER: usize = 8;
    /// `struct vcpu_set_singleshot_timer`.
    #[repr(C)]
    struct Singleshot {
        timeout: u64,
        flags: u32,
    }
    let timer = Singleshot {
        timeout: deadline,
        flags: 0,
    };
    // SAFETY: the structure that the call reads.
    unsafe { call(VCPU_OP, [VCPUOP_SET_SINGLESHOT_TIMER, 0, &raw const timer as usize, 0]) }
}

/// Stops the one-shot timer.
pub(in super::super) fn stop_timer() {
    const VCPUOP_STOP_SINGLESHOT_TIMER: usize = 9;
    // SAFETY: a number.
    unsafe { call(VCPU_OP, [VCPUOP_STOP_SINGLESHOT_TIMER, 0, 0, 0]) };
}

/// Stops the periodic timer that PV domains start with.
#[cfg(target_arch = "x86_64")]
pub(in super::super) fn stop_periodic_timer() {
    const VCPUOP_STOP_PERIODIC_TIMER: usize = 7;
    // SAFETY: a number.
    unsafe { call(VCPU_OP, [VCPUOP_STOP_PERIODIC_TIMER, 0, 0, 0]) };
}

/// Unmasks events for the domain and waits until one is pending, atomically. PV.
#[cfg(target_arch = "x86_64")]
pub(in super::super) fn block() {
    const SCHEDOP_BLOCK: usize = 1;
    // SAFETY: no arguments; an event ends the wait.
    unsafe { call(SCHED_OP, [SCHEDOP_BLOCK, 0, 0, 0]) };
}
