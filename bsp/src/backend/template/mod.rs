// SPDX-License-Identifier: MIT OR Apache-2.0
//! Backend `template`: the smallest one that works, to be copied. `../README.md` says how. As it names what it needs by
//! the crate `paravirt_bsp`, the same files are a module of that crate and, copied, a crate of their own.
//!
//! The hypervisor is reduced to what every one has: bytes out and in, a clock, a way to pass time, a way to stop. It
//! never interrupts the guest, so lines are found by looking:
//!
//! * Functions that print, read, tell the time or start timers look at the clock and at the console. With interrupts
//!   on, the handlers of what they find have run when they return; with interrupts off it stays pending.
//! * [`paravirt_bsp::cpu::idle`] looks until something is pending.
//!
//! So code that computes for long without such a call sees no interrupts meanwhile. Nothing is lost all the same:
//! expirations are counted by the clock. A host that interrupts needs what `../README.md` says under "Take real
//! interrupts", in `irq.rs`, and then neither `irq::poll` nor its callers.
//!
//! Only `hypervisor.rs` knows the hypervisor. As it stands, that is a PC without one, for `pvhost run --host qemu`.
//! What it does not have, wall clock, thread-local storage and ports, has no line in the table below, and the guest is
//! told so by name.

mod console;
mod cpu;
mod hypervisor;
mod irq;
mod power;
mod start;
mod timer;

use paravirt_bsp::backend::{Backend, Contract, lines};

/// The backend, for [`paravirt_bsp::image!`].
pub static BACKEND: Backend = Backend {
    name: "template",
    detects: start::detects,
    functions: FUNCTIONS.as_slice(),
    start: start::start,
    open_interrupts: irq::open,
    // SAFETY: the block is that of `info`, and says what the host did.
    contract: unsafe { Contract::kept() },
};

paravirt_bsp::in_guest_functions! { static FUNCTIONS = [console, timer, lines, cpu, power]; }
