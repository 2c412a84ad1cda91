// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a guest that cannot go on, on a processor that it owns.

use crate::local::Local;
use crate::machine::{processor, qemu};

/// How the guest ends.
static STOP: Local<fn(&str, i32) -> !> = Local::new(exit_or_halt);

/// From now on, `stop` ends the guest after a fault: for a backend whose host is to be told, or forbids `hlt`.
///
/// # Safety
/// It is called in faults and entries, amid the critical sections of others: it touches what is its own alone.
pub unsafe fn set_stop(stop: fn(reason: &str, code: i32) -> !) {
    STOP.set(stop);
}

/// Ends the guest for good, with `reason` and `code` for whoever started QEMU; elsewhere the processor halts, unless
/// [`set_stop`] says otherwise.
pub fn stop(reason: &str, code: i32) -> ! {
    STOP.get()(reason, code)
}

fn exit_or_halt(reason: &str, code: i32) -> ! {
    qemu::exit(reason, code);
    processor::halt()
}
