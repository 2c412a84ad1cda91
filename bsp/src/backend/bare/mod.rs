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
use crate::in_guest_functions;
use crate::interface::{
    pv_clock_now, pv_clock_wall, pv_console_read, pv_console_write, pv_cpu_idle, pv_cpu_set_tls, pv_irq_attach,
    pv_irq_detach, pv_irq_mask, pv_irq_raise, pv_irq_unmask, pv_port_in, pv_port_out, pv_shutdown, pv_timer_start,
    pv_timer_stop,
};
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

in_guest_functions! {
    static FUNCTIONS = {
        pv_clock_now = timer::now,
        pv_clock_wall = timer::wall,
        pv_console_read = console::read,
        pv_console_write = console::write,
        pv_cpu_idle = cpu::idle,
        pv_cpu_set_tls = cpu::set_tls,
        pv_irq_attach = lines::attach,
        pv_irq_detach = lines::detach,
        pv_irq_mask = lines::mask,
        pv_irq_raise = lines::raise,
        pv_irq_unmask = lines::unmask,
        pv_port_in = port::read,
        pv_port_out = port::write,
        pv_shutdown = power::shutdown,
        pv_timer_start = timers::start,
        pv_timer_stop = timers::stop,
    };
}
