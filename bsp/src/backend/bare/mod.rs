// SPDX-License-Identifier: MIT OR Apache-2.0
//! Backend `bare`: a machine, real or virtual, that the guest has for itself, without help of a hypervisor.
//!
//! What such machines have in common is here; what differs is in `pc` (x86: a PC, entered by the PVH note) and `board`
//! (AArch64: a machine with a device tree, entered at EL1), as `devices`. A domain of Xen on AArch64 is such a machine
//! in all but a few things; backend `xen` takes the rest from here.
//!
//! It is meant to be read first by whoever writes another backend.

#[cfg(target_arch = "aarch64")]
pub(super) mod board;
pub(super) mod console;
pub(super) mod cpu;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod pc;
mod power;
pub(super) mod timer;

#[cfg(target_arch = "aarch64")]
use board as devices;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use pc as devices;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use pc::port;

use super::{Backend, Contract, lines, timers};
use crate::machine::processor;

/// The backend, for [`crate::image!`].
pub static BACKEND: Backend = Backend {
    name: "bare",
    detects: devices::detects,
    functions: FUNCTIONS.as_slice(),
    start: devices::start,
    open_interrupts: processor::open_interrupts,
    // SAFETY: the block is that of `info`, and says what the host did.
    contract: unsafe { Contract::kept() },
};

#[cfg(target_arch = "aarch64")]
crate::in_guest_functions! { static FUNCTIONS = [console, timer, timers, lines, cpu, power]; }
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
crate::in_guest_functions! { static FUNCTIONS = [console, timer, timers, lines, cpu, power, port]; }
