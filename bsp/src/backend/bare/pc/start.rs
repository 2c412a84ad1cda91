// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the PVH entry point to a start info block.

use paravirt_abi::start::StartInfo;

use super::interrupts;
use crate::backend::bare::{console, timer};
use crate::backend::info;
use crate::ring0::{cpuid, message, pvh_start_info};
use crate::start::{Entry, EntryPoint};

/// End of the memory that every PC is taken to have: 16 MiB.
const LEAST_MEMORY: u64 = 16 << 20;
/// Below 1 MiB lies what firmware and loader left.
const FIRST_MEMORY: u64 = 1 << 20;

/// A processor of its own, or one of a hypervisor that emulates a PC.
pub(in super::super) fn detects(entry: &Entry) -> bool {
    entry.point == EntryPoint::Pvh && cpuid::is_pc()
}

/// Called once, with the processor's interrupt flag and the virtual one off.
pub(in super::super) fn start(_entry: &Entry) -> &'static StartInfo {
    console::start();
    timer::start();
    interrupts::start_interrupts();
    // SAFETY: the backend starts.
    if !unsafe { pvh_start_info::for_each_memory(info::add_memory) } {
        message::say(format_args!(
            "the loader gave no memory map; using {} MiB",
            LEAST_MEMORY >> 20
        ));
        info::add_memory(FIRST_MEMORY, LEAST_MEMORY);
    }
    // SAFETY: as above; the text is copied.
    info::set_command_line(unsafe { pvh_start_info::command_line() });
    pvh_start_info::forget();
    info::finish(timer::wall())
}
