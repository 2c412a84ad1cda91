// SPDX-License-Identifier: MIT OR Apache-2.0
//! Backend `bare`: a PC, real or virtual, entered by the PVH note, without help of a hypervisor.
//!
//! | what | by |
//! |---|---|
//! | console | the first serial port, interrupt 4 |
//! | timers | channel 0 of the 8254, one-shot, interrupt 0 |
//! | clock | the time-stamp counter, from the vCPU page |
//! | wall clock | the battery-backed clock, read once |
//! | host's interrupt flag | the processor's |
//! | atomic wait | `sti; hlt` |
//!
//! It is meant to be read first by whoever writes another backend.

mod console;
mod cpu;
mod irq;
mod port;
mod power;
mod rtc;
mod start;
mod timer;

use super::{Backend, Contract, lines, timers};
use crate::ring0::processor;

/// The backend, for [`crate::image!`].
pub static BACKEND: Backend = Backend {
    name: "bare",
    detects: start::detects,
    functions: FUNCTIONS.as_slice(),
    start: start::start,
    open_interrupts: processor::open_interrupts,
    // SAFETY: the block is that of `info`, and says what the host did.
    contract: unsafe { Contract::kept() },
};

crate::in_guest_functions! { static FUNCTIONS = [console, timer, timers, lines, cpu, power, port]; }
