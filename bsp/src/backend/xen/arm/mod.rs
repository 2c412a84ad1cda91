// SPDX-License-Identifier: MIT OR Apache-2.0
//! A domain on AArch64, entered at EL1 with a device tree that names Xen.
//!
//! | what | by |
//! |---|---|
//! | console | the serial port of the tree: Xen's emulated one (`vpl011`), or a real one that the domain was given; else Xen's own, if the domain controls the machine, or the ring that Xen's tools have made; else Xen's log |
//! | events | an interrupt of the processor, which the tree names |
//! | timers | the processor's virtual timer, which Xen masks in its control register before it hands its interrupt on |
//! | clock | the virtual counter, from the vCPU page |
//! | wall clock | a PL031 that the domain was given, else Xen's, once the domain that controls the machine has set it |
//! | interrupt controller | GIC, version 2 or 3, as Xen emulates it |
//! | host's interrupt flag | the processor's mask of interrupts |
//! | atomic wait | `wfi` |
//! | end | a hypercall; before it, the record, where QEMU is there |

mod console;
pub(super) mod start;

pub(super) use console::{FUNCTIONS, finish};
