// SPDX-License-Identifier: MIT OR Apache-2.0
//! Backend `xen`: a domain of Xen, PV (x86-64) or PVH (x86-64 and i386).
//!
//! The bodies of the external functions make hypercalls; interrupts are event channels. The host's flag is the event
//! mask of a PV domain (Xen enters the domain at its callback) or IF of a PVH domain (events are an interrupt vector);
//! its atomic wait is `SCHEDOP_block` or `sti; hlt`. The time is read from the page that the domain shares with Xen.

mod console;
mod cpu;
mod domain;
mod events;
mod hypercall;
mod irq;
mod power;
#[cfg(target_arch = "x86_64")]
mod pv;
mod pvh;
mod ring;
mod shared;
mod start;
mod timer;

use super::{Backend, Contract, lines, timers};

// Where Xen enters a PV domain.
#[cfg(target_arch = "x86_64")]
crate::refer_to!("__paravirt_xen_pv_start");

/// The backend, for [`crate::image!`].
pub static BACKEND: Backend = Backend {
    name: "xen",
    detects: start::detects,
    functions: FUNCTIONS.as_slice(),
    start: start::start,
    open_interrupts: irq::open,
    // SAFETY: the block is that of `info`, and says what the host did.
    contract: unsafe { Contract::kept() },
};

crate::in_guest_functions! { static FUNCTIONS = [console, timer, timers, lines, cpu, power]; }
