// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers of interrupt lines and timers.

/// Number of lines. One less than the bits of the pending word, whose top bit is the guest's own, see
/// [`crate::vcpu::HOST_MASKED`].
pub const LINES: u32 = 31;
/// The line that every timer raises.
pub const TIMER: u32 = 0;
/// The line that console input raises.
pub const CONSOLE: u32 = 1;
/// The first line for software interrupts and devices.
pub const FIRST_FREE: u32 = 2;

/// Number of timers; each has an expiration counter in the vCPU page.
pub const TIMERS: u32 = 8;
/// The timer of the operating system's tick; the others belong to applications.
pub const TICK: u32 = 0;
