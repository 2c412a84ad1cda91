// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which lines are claimed, masked and raised: the part of interrupts that is the same on every host whose backend lives
//! in the guest.
//!
//! A backend's entry calls [`signal`] for the line of each interrupt that it takes; everything else here are bodies of
//! external functions.

use paravirt_abi::error::Error;
use paravirt_vcpu::lines::Lines;

use crate::local::Local;
use crate::{irq, vcpu};

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
    finish(line, true, LINES.attach(vcpu::pending(), line))
}

/// Body of `pv_irq_detach`.
pub extern "C" fn detach(line: u32) -> i32 {
    finish(line, false, LINES.detach(vcpu::pending(), line))
}

/// Body of `pv_irq_mask`.
pub extern "C" fn mask(line: u32) -> i32 {
    finish(line, false, LINES.mask(vcpu::pending(), line))
}

/// Body of `pv_irq_unmask`.
pub extern "C" fn unmask(line: u32) -> i32 {
    finish(line, true, LINES.unmask(vcpu::pending(), line))
}

/// Body of `pv_irq_raise`.
pub extern "C" fn raise(line: u32) -> i32 {
    let raised = LINES.raise(vcpu::pending(), line);
    deliver_if_enabled();
    number(raised)
}

/// Tells the devices that a line was masked or unmasked, if it was, and with interrupts on runs the handlers of what is pending.
#[inline(never)] // four calls of it, and the guest is small
fn finish(line: u32, unmasked: bool, result: Result<(), Error>) -> i32 {
    if let (Ok(()), Some(source)) = (result, SOURCE.get()) {
        source(line, unmasked);
    }
    deliver_if_enabled();
    number(result)
}

/// A result on the wire.
pub(super) fn number(result: Result<(), Error>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(error) => error.number(),
    }
}

#[inline(never)]
fn deliver_if_enabled() {
    if vcpu::interrupt_flag().read() != 0 {
        irq::deliver_if_pending();
    }
}
