// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the device tree to a start info block.

use paravirt_abi::start::StartInfo;

use super::console;
use crate::backend::bare::board;
use crate::backend::xen::{power, version};
use crate::el1;
use crate::el1::device_tree::{self, DeviceTree};
use crate::start::{Entry, EntryPoint};

pub(in super::super) fn detects(entry: &Entry) -> bool {
    // SAFETY: a backend is looked for.
    entry.point == EntryPoint::Reset && unsafe { device_tree::get() }.is_some_and(DeviceTree::names_xen)
}

/// Called once, with interrupts kept away and the virtual flag off.
pub(in super::super) fn start(_entry: &Entry) -> &'static StartInfo {
    // SAFETY: it ends the domain.
    unsafe { el1::set_stop(power::stop) };
    board::start_machine(|| {
        console::start();
        version::check();
    })
}
