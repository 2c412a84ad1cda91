// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which lines are claimed, masked and raised: the part of interrupts that is the same on every host whose backend
//! lives in the guest.
//!
//! A backend's entry calls [`signal`] for the line of each interrupt that it takes; everything else here are bodies of
//! external functions.
//!
//! ```no_run
//! use paravirt_bsp::abi::line::CONSOLE;
//! use paravirt_bsp::backend::lines;
//!
//! /// At the start of a backend whose console is to be told whether it may interrupt.
//! fn start() {
//!     lines::set_source(|line, unmasked| {
//!         if line == CONSOLE {
//!             my_console_interrupts(unmasked);
//!             if unmasked && my_console_has_input() {
//!                 lines::signal(CONSOLE);
//!             }
//!         }
//!     });
//! }
//! # fn my_console_interrupts(_on: bool) {}
//! # fn my_console_has_input() -> bool { false }
//! # fn main() {}
//! ```

use core::sync::atomic::AtomicU32;

use paravirt_abi::error::Error;
use paravirt_vcpu::lines::Lines;

use crate::local::Local;
use crate::{cpu, vcpu};

crate::in_guest_functions! {
    /// The bodies of all functions for lines.
    pub const FUNCTIONS = {
        pv_irq_attach = attach,
        pv_irq_detach = detach,
        pv_irq_mask = mask,
        pv_irq_raise = raise,
        pv_irq_unmask = unmask,
    };
}

/// The lines of the one vCPU.
static LINES: Lines = Lines::new();

/// A backend's devices, told of a line and whether it is unmasked.
pub type Source = fn(line: u32, unmasked: bool);

static SOURCE: Local<Option<Source>> = Local::new(None);

/// From now on, `source` is told whenever a line was masked (`false`) or unmasked (`true`), so that it can do the
/// same to the device, and look whether that wants something already. For the start of a backend with such devices.
pub fn set_source(source: Source) {
    SOURCE.set(Some(source));
}

/// Marks a line pending, or latches it while it is masked. May be called from an entry at any instant.
pub fn signal(line: u32) {
    // Backends signal lines that exist.
    let _ = LINES.raise(vcpu::pending(), line);
}

/// Body of `pv_irq_attach`.
pub extern "C" fn attach(line: u32) -> i32 {
    change(line, Lines::attach, Some(true))
}

/// Body of `pv_irq_detach`.
pub extern "C" fn detach(line: u32) -> i32 {
    change(line, Lines::detach, Some(false))
}

/// Body of `pv_irq_mask`.
pub extern "C" fn mask(line: u32) -> i32 {
    change(line, Lines::mask, Some(false))
}

/// Body of `pv_irq_unmask`.
pub extern "C" fn unmask(line: u32) -> i32 {
    change(line, Lines::unmask, Some(true))
}

/// Body of `pv_irq_raise`.
pub extern "C" fn raise(line: u32) -> i32 {
    change(line, Lines::raise, None)
}

/// Does that to the line and tells the devices whether it is unmasked now, if it was masked or unmasked. Without
/// interrupts, because a handler may do the same; with interrupts on, handlers of what is pending have run on return.
#[inline(never)] // five calls of it, and the guest is small
fn change(line: u32, operation: fn(&Lines, &AtomicU32, u32) -> Result<(), Error>, unmasked: Option<bool>) -> i32 {
    Error::status(cpu::without_interrupts(|_| {
        operation(&LINES, vcpu::pending(), line)?;
        if let (Some(unmasked), Some(source)) = (unmasked, SOURCE.get()) {
            source(line, unmasked);
        }
        Ok(())
    }))
}
