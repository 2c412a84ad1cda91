// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where what the host delivers meets the flags of the vCPU: for the entries of backends that are interrupted, and for
//! those that poll.
//!
//! An entry, with the host's flag closed, acknowledges its device, marks lines by [`super::lines::signal`] or
//! [`super::timers::expire`], and does what [`leave`] says:
//!
//! ```no_run
//! use paravirt_bsp::abi::line;
//! use paravirt_bsp::backend::entry::{self, Return};
//! use paravirt_bsp::backend::lines;
//!
//! /// Called by the entry; whether to go on at `__paravirt_upcall`. `flags` are those that the host restores.
//! fn take(flags: &mut u64) -> bool {
//!     const HOSTS_FLAG: u64 = 1 << 9;
//!     lines::signal(line::CONSOLE);
//!     match entry::leave() {
//!         Return::AsItWas => false,
//!         Return::Closed => {
//!             *flags &= !HOSTS_FLAG;
//!             false
//!         }
//!         Return::Upcall => true,
//!     }
//! }
//! # fn main() {}
//! ```

use core::sync::atomic::Ordering;

use paravirt_abi::vcpu::HOST_MASKED;

use crate::{irq, vcpu};

/// How an entry is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// To the interrupted code, as if nothing had been: nothing is pending.
    AsItWas,
    /// To the interrupted code, with the host's flag closed: the guest's flag is off.
    Closed,
    /// To `__paravirt_upcall`, with every register restored and the processor's frame of an interrupt on the stack. The
    /// guest's flag was on and is off now; the host's stays closed.
    Upcall,
}

/// For the end of an entry, with the host's flag closed: how to leave.
#[must_use]
pub fn leave() -> Return {
    if !is_pending() {
        return Return::AsItWas;
    }
    mark_host_closed();
    let flag = vcpu::interrupt_flag();
    if flag.read() == 0 {
        return Return::Closed;
    }
    flag.write(0);
    Return::Upcall
}

/// Notes that the host's flag is closed: turning interrupts on then calls [`super::Backend::open_interrupts`].
pub fn mark_host_closed() {
    vcpu::pending().fetch_or(HOST_MASKED, Ordering::Relaxed);
}

/// Returns whether a line is pending. For idle, which tests it with the host's flag closed.
#[must_use]
pub fn is_pending() -> bool {
    vcpu::pending().load(Ordering::Relaxed) & !HOST_MASKED != 0
}

/// With interrupts on, runs the handlers of what is pending. For backends that poll, at the end of a function.
pub fn deliver() {
    if vcpu::interrupt_flag().read() != 0 {
        // SAFETY: it is on.
        unsafe { irq::deliver_if_pending() };
    }
}
