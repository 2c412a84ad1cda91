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
use crate::in_guest_functions;
use crate::interface::{
    pv_clock_now, pv_clock_wall, pv_console_read, pv_console_write, pv_cpu_idle, pv_cpu_set_tls, pv_irq_attach,
    pv_irq_detach, pv_irq_mask, pv_irq_raise, pv_irq_unmask, pv_shutdown, pv_timer_start, pv_timer_stop,
};

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
        pv_shutdown = power::shutdown,
        pv_timer_start = timers::start,
        pv_timer_stop = timers::stop,
    };
}
