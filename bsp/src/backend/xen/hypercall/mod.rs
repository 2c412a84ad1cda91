// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hypercalls: those that every kind of domain makes, those for event channels, those of all domains but PV ones, and,
//! by architecture, the instruction.
//!
//! Numbers and layouts are those of Xen's public headers, version 4.17 (`xen/include/public/`: `xen.h`,
//! `event_channel.h`, `sched.h`, `vcpu.h`, `version.h`).

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod events;
mod hvm;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod timer;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod x86;

#[cfg(target_arch = "aarch64")]
pub(super) use aarch64::call;
pub(super) use events::*;
pub(super) use hvm::*;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub(super) use timer::*;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub(super) use x86::{Instruction, call, set_instruction};

use super::power;

const XEN_VERSION: usize = 17;
const CONSOLE_IO: usize = 18;
const SCHED_OP: usize = 29;

/// Ends the domain where Xen is too old.
pub(super) fn check_version() {
    /// The oldest Xen whose interfaces are used here: the first whose PVH domains are as they are here.
    const OLDEST: (u16, u16) = (4, 11);
    const XENVER_VERSION: usize = 0;
    // SAFETY: no arguments.
    let version = unsafe { call(XEN_VERSION, [XENVER_VERSION, 0, 0, 0]) };
    let (major, minor) = ((version >> 16) as u16, version as u16);
    if (major, minor) < OLDEST {
        power::refuse(format_args!(
            "this is Xen {major}.{minor}; needed is {}.{} or later",
            OLDEST.0, OLDEST.1
        ));
    }
}

/// Writes to Xen's own console: the serial line for the domain that controls the machine, else Xen's log.
pub(super) fn console_write(text: &[u8]) -> isize {
    const CONSOLEIO_WRITE: usize = 0;
    // SAFETY: Xen reads that many bytes.
    unsafe { call(CONSOLE_IO, [CONSOLEIO_WRITE, text.len(), text.as_ptr() as usize, 0]) }
}

/// Why a domain stops, for whoever controls it.
#[derive(Clone, Copy)]
pub(super) enum Shutdown {
    Poweroff = 0,
    Reboot = 1,
    Crash = 3,
}

/// Stops the domain.
pub(super) fn shutdown(reason: Shutdown) -> ! {
    const SCHEDOP_SHUTDOWN: usize = 2;
    let reason = reason as u32;
    loop {
        // SAFETY: `struct sched_shutdown` is this number.
        unsafe { call(SCHED_OP, [SCHEDOP_SHUTDOWN, &raw const reason as usize, 0, 0]) };
    }
}
