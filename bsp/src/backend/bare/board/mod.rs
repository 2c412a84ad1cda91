// SPDX-License-Identifier: MIT OR Apache-2.0
//! A machine with a device tree, entered at EL1 as a processor comes out of reset: QEMU's `virt`, KVM, and boards that
//! have these devices.
//!
//! | what | by |
//! |---|---|
//! | console | the first PL011 that is not switched off |
//! | timers | the processor's virtual timer |
//! | clock | its virtual counter, from the vCPU page |
//! | wall clock | a PL031, where there is one |
//! | interrupt controller | GIC, versions 2 to 4 |
//! | host's interrupt flag | the processor's mask of interrupts |
//! | atomic wait | `wfi`, which ends by interrupts that are masked, too |
//! | end | semihosting, else PSCI |

mod interrupts;
mod machine;
mod rtc;
mod start;
mod timer;

pub(super) use crate::el1::psci::{reset, switch_off};
#[cfg(feature = "xen")]
pub(in crate::backend) use interrupts::add as add_interrupt;
pub(super) use rtc::read as read_clock;
#[cfg(feature = "xen")]
pub(in crate::backend) use rtc::set_other as set_clock;
#[cfg(feature = "xen")]
pub(in crate::backend) use start::start_machine;
pub(super) use start::{detects, start};
#[cfg(feature = "xen")]
pub(in crate::backend) use timer::rate as clock_rate;
pub(super) use timer::{arm, start_clock};
