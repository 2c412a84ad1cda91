// SPDX-License-Identifier: MIT OR Apache-2.0
//! Backend `linux_syscall`: the image as an ordinary static Linux program.
//!
//! The bodies of the external functions make system calls, as RTEMS on POK does with its kernel; clocks are read
//! without one where the kernel has code for that in the process. Interrupts are signals: the host's flag is the signal
//! mask, the host's atomic wait is `rt_sigsuspend`.

mod console;
mod cpu;
mod irq;
mod power;
mod start;
mod syscall;
mod timer;
mod vdso;

use super::{Backend, Contract, lines, timers};
use crate::in_guest_functions;
use crate::interface::{
    pv_clock_now, pv_clock_wall, pv_console_read, pv_console_write, pv_cpu_idle, pv_cpu_set_tls, pv_irq_attach,
    pv_irq_detach, pv_irq_mask, pv_irq_raise, pv_irq_unmask, pv_shutdown, pv_timer_start, pv_timer_stop,
};

/// The backend, for [`crate::image!`].
pub static BACKEND: Backend = Backend {
    name: "linux_syscall",
    detects: start::detects,
    functions: FUNCTIONS.as_slice(),
    start: start::start,
    open_interrupts: irq::open,
    // SAFETY: the block says what Linux gave.
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
