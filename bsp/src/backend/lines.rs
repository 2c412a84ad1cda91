// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which lines are claimed, masked and raised: the part of interrupts that is the same on every host whose backend lives
//! in the guest.
//!
//! A backend's entry calls [`signal`] for the line of each interrupt that it takes; everything else here are bodies of
//! external functions.

use core::sync::atomic::{AtomicU32, Ordering};

use paravirt_abi::error::Error;
use paravirt_abi::line::LINES;

use crate::local::Local;
use crate::{irq, vcpu};

/// Lines that are attached.
static CLAIMED: AtomicU32 = AtomicU32::new(0);
/// Lines that may become pending.
static UNMASKED: AtomicU32 = AtomicU32::new(0);
/// Masked lines that were raised.
static LATCHED: AtomicU32 = AtomicU32::new(0);
/// A backend's devices, told of a line and whether it is unmasked.
pub type Source = fn(line: u32, unmasked: bool);

static SOURCE: Local<Option<Source>> = Local::new(None);

/// From now on, `source` is told whenever a line was masked (`false`) or is about to be unmasked (`true`), so that it can do the
/// same to the device, and look whether that wants something already. For the start of a backend with such devices.
pub fn set_source(source: Source) {
    SOURCE.set(Some(source));
}

/// Marks a line pending, or latches it while it is masked. May be called from an entry at any instant.
pub fn signal(line: u32) {
    let bit = 1 << line;
    if UNMASKED.load(Ordering::Relaxed) & bit != 0 {
        vcpu::pending().fetch_or(bit, Ordering::Relaxed);
    } else {
        LATCHED.fetch_or(bit, Ordering::Relaxed);
    }
}

/// Body of `pv_irq_attach`.
pub extern "C" fn attach(line: u32) -> i32 {
    let Some(bit) = bit(line) else {
        return Error::NoSuchDevice.number();
    };
    if CLAIMED.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
        return Error::Busy.number();
    }
    unmask(line)
}

/// Body of `pv_irq_detach`.
pub extern "C" fn detach(line: u32) -> i32 {
    let Some(bit) = bit(line) else {
        return Error::NoSuchDevice.number();
    };
    if CLAIMED.fetch_and(!bit, Ordering::Relaxed) & bit == 0 {
        return Error::NotAttached.number();
    }
    mask(line)
}

/// Body of `pv_irq_mask`.
pub extern "C" fn mask(line: u32) -> i32 {
    let Some(bit) = bit(line) else {
        return Error::NoSuchDevice.number();
    };
    UNMASKED.fetch_and(!bit, Ordering::Relaxed);
    // What is pending already is withdrawn and stays latched.
    let withdrawn = vcpu::pending().fetch_and(!bit, Ordering::Relaxed) & bit;
    LATCHED.fetch_or(withdrawn, Ordering::Relaxed);
    tell_source(line, false);
    0
}

/// Body of `pv_irq_unmask`.
pub extern "C" fn unmask(line: u32) -> i32 {
    let Some(bit) = bit(line) else {
        return Error::NoSuchDevice.number();
    };
    UNMASKED.fetch_or(bit, Ordering::Relaxed);
    tell_source(line, true);
    if LATCHED.fetch_and(!bit, Ordering::Relaxed) & bit != 0 {
        vcpu::pending().fetch_or(bit, Ordering::Relaxed);
    }
    deliver_if_enabled();
    0
}

/// Body of `pv_irq_raise`.
pub extern "C" fn raise(line: u32) -> i32 {
    if bit(line).is_none() {
        return Error::NoSuchDevice.number();
    }
    signal(line);
    deliver_if_enabled();
    0
}

fn bit(line: u32) -> Option<u32> {
    (line < LINES).then(|| 1 << line)
}

fn tell_source(line: u32, unmasked: bool) {
    if let Some(source) = SOURCE.get() {
        source(line, unmasked);
    }
}

#[inline(never)]
fn deliver_if_enabled() {
    if vcpu::interrupt_flag().read() != 0 {
        irq::deliver_if_pending();
    }
}
