// SPDX-License-Identifier: MIT OR Apache-2.0
//! A PC, entered by the PVH note.
//!
//! | what | by |
//! |---|---|
//! | console | the first serial port, interrupt 4 |
//! | timers | channel 0 of the 8254, one-shot, interrupt 0 |
//! | clock | the time-stamp counter, from the vCPU page |
//! | wall clock | the battery-backed clock, read once |
//! | host's interrupt flag | the processor's |
//! | atomic wait | `sti; hlt` |

mod interrupts;
pub(super) mod port;
mod reset;
mod rtc;
mod start;
mod timer;

pub(super) use reset::{reset, switch_off};
pub(super) use rtc::read as read_clock;
pub(super) use start::{detects, start};
pub(super) use timer::{arm, start_clock};
