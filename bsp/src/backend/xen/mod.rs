// SPDX-License-Identifier: MIT OR Apache-2.0
//! Backend `xen`: a domain of Xen, PV (x86-64) or PVH (x86-64 and i386), or on AArch64.
//!
//! On AArch64 (`arm`), a domain is a machine, with an interrupt controller and a timer, as `bare` drives it; Xen is
//! asked where there is no serial port, and to end. The rest here is x86's.
//!
//! The bodies of the external functions make hypercalls; interrupts are event channels. The host's flag is the event
//! mask of a PV domain (Xen enters the domain at its callback) or IF of a PVH domain (events are an interrupt vector);
//! its atomic wait is `SCHEDOP_block` or `sti; hlt`. The time is read from the page that the domain shares with Xen.

#[cfg(target_arch = "aarch64")]
mod arm;
mod console;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod cpu;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod domain;
mod events;
mod hypercall;
mod power;
#[cfg(target_arch = "x86_64")]
mod pv;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod pvh;
mod ring;
mod shared;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod start;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod timer;

#[cfg(target_arch = "aarch64")]
use super::bare::{cpu, timer};
use super::{Backend, Contract, lines, timers};
#[cfg(target_arch = "aarch64")]
use crate::el1::processor::open_interrupts;
#[cfg(target_arch = "aarch64")]
use arm::start;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use cpu::open_interrupts;

// Where Xen enters a PV domain.
#[cfg(target_arch = "x86_64")]
crate::refer_to!("__paravirt_xen_pv_start");

/// The backend, for [`crate::image!`].
pub static BACKEND: Backend = Backend {
    name: "xen",
    detects: start::detects,
    functions: FUNCTIONS.as_slice(),
    start: start::start,
    open_interrupts,
    // SAFETY: the block is that of `info`, and says what the host did.
    contract: unsafe { Contract::kept() },
};

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
crate::in_guest_functions! { static FUNCTIONS = [console, timer, timers, lines, cpu, power]; }
#[cfg(target_arch = "aarch64")]
crate::in_guest_functions! { static FUNCTIONS = [arm, timer, timers, lines, cpu, power]; }
