// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is particular to PVH domains: they run in ring 0 of a virtual processor, see [`crate::ring0`].

use super::hypercall::{self as common, Instruction};
use super::ring::Ring;
use super::{events, power, shared};
use crate::backend::{entry, info};
use crate::ring0::{interrupt, pvh_start_info};

mod cpuid;
mod hypercall;

pub(super) use cpuid::is_xen;

/// The vector at which events interrupt.
const VECTOR: u8 = interrupt::FIRST;
/// `XENFEAT_hvm_callback_vector` of Xen's public header `features.h`.
const CALLBACK_VECTOR: u32 = 1 << 8;

/// The instruction by which this processor's virtualisation calls Xen.
pub(super) fn instruction() -> Instruction {
    cpuid::instruction()
}

/// Has events interrupt, and Xen's shared page put in the place of ours. `features` are Xen's.
pub(super) fn start(features: u32) {
    if features & CALLBACK_VECTOR == 0 {
        power::refuse(format_args!(
            "this Xen cannot interrupt at a vector: it lacks the feature hvm_callback_vector"
        ));
    }
    // SAFETY: it touches event channels and lines.
    unsafe { interrupt::set_handler(|_| events::take()) };
    // This call also tells Xen the word size of the shared page.
    check("set the vector of events", hypercall::set_vector(VECTOR));
    // SAFETY: nothing has used the page yet.
    let error = unsafe { common::map_shared_info(&raw const shared::PAGE as u64) };
    check("map the shared page", error);
    // The processor's flag is off since the entry; turning interrupts on opens it.
    entry::mark_host_closed();
}

/// The console ring and its event channel.
pub(super) fn console() -> (&'static Ring, u32) {
    match common::console() {
        (Some(page @ 1..=0xf_ffff), Some(port @ 1..)) => {
            // SAFETY: Xen's tools put the ring there; below 4 GiB memory is mapped one to one.
            (unsafe { &*((page as usize * 4096) as *const Ring) }, port as u32)
        }
        (page, port) => power::refuse(format_args!(
            "Xen names no console for this domain (page {page:?}, event channel {port:?})"
        )),
    }
}

/// Adds the domain's memory.
pub(super) fn add_memory() {
    // SAFETY: the backend starts.
    if !unsafe { pvh_start_info::for_each_memory(info::add_memory) } {
        // Version 0 of the start info has no map.
        hypercall::for_each_memory(info::add_memory);
    }
}

fn check(what: &str, error: isize) {
    if error < 0 {
        power::refuse(format_args!("Xen does not {what}: error {error}"));
    }
}
