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

crate::in_guest_functions! { static FUNCTIONS = [console, timer, timers, lines, cpu, power]; }
