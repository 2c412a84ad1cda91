// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the entry point to a start info block.

use paravirt_bsp::abi::start::StartInfo;
use paravirt_bsp::backend::info;
use paravirt_bsp::power;
use paravirt_bsp::start::{Entry, EntryPoint};

use super::{hypervisor, irq, timer};

/// Returns whether this backend's hypervisor has entered the image.
pub(super) fn detects(entry: &Entry) -> bool {
    entry.point == EntryPoint::Pvh && hypervisor::is_here()
}

/// Called once, with the virtual interrupt flag off. The slots lead to this backend already, so that messages can be
/// printed once the console works.
pub(super) fn start(_entry: &Entry) -> &'static StartInfo {
    if let Err(missing) = hypervisor::start() {
        power::fatal(format_args!("template: {missing}"), 1);
    }
    timer::start_clock();
    irq::start();
    // SAFETY: this is the start, and the text is copied.
    unsafe {
        hypervisor::for_each_memory(info::add_memory);
        info::set_command_line(hypervisor::command_line());
    }
    // No wall clock.
    info::finish(0)
}
