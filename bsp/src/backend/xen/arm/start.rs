// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the device tree to a start info block.

use paravirt_abi::start::StartInfo;

use super::console;
use crate::backend::bare::board;
use crate::backend::xen::shared::PAGE;
use crate::backend::xen::{console as messages, events, hypercall, power};
use crate::el1;
use crate::el1::device_tree::{self, DeviceTree};
use crate::el1::paging;
use crate::machine::serial;
use crate::start::{Entry, EntryPoint};

pub(in super::super) fn detects(entry: &Entry) -> bool {
    // SAFETY: a backend is looked for.
    entry.point == EntryPoint::Reset && unsafe { device_tree::get() }.is_some_and(DeviceTree::names_xen)
}

/// Called once, with interrupts kept away and the virtual flag off.
pub(in super::super) fn start(_entry: &Entry) -> &'static StartInfo {
    // SAFETY: it ends the domain.
    unsafe { el1::set_stop(power::stop) };
    if !serial::is_here() {
        messages::start_messages();
    }
    board::start_machine(|| {
        hypercall::check_version();
        start_events();
        console::start(hypercall::features() & hypercall::CONTROLS_MACHINE != 0);
    })
}

/// Has Xen's shared page put in the place of ours, and events interrupt.
fn start_events() {
    // SAFETY: nothing has used the page yet.
    let error = unsafe { hypercall::map_shared_info(paging::memory_of(&raw const PAGE as usize)) };
    if error < 0 {
        power::refuse(format_args!("Xen does not map the shared page: error {error}"));
    }
    events::start();
    board::set_clock(wall);
    let mut interrupt = None;
    // SAFETY: the backend starts.
    if let Some(tree) = unsafe { device_tree::get() } {
        // A tree that was looked through before.
        let _ = tree.for_each(|node| {
            if node.is_any(&[b"xen,xen"]) {
                interrupt = node.interrupt(0);
            }
        });
    }
    let Some(interrupt) = interrupt else {
        power::refuse(format_args!(
            "the device tree names no interrupt for Xen's events in the node of the hypervisor"
        ));
    };
    // SAFETY: it touches event channels and lines.
    unsafe { board::add_interrupt(interrupt, events::take) };
}

/// In September 2001. What Xen gives as long as nobody has told it the time is less: how long it had been up when the
/// domain began.
const EARLIEST: u64 = 1_000_000_000;

/// Unix time in seconds: the counter began with the domain, and Xen gives its clock from there. 0 as long as nobody has
/// told Xen the time.
fn wall() -> u64 {
    let (seconds, _) = PAGE.wall_start();
    if seconds < EARLIEST {
        return 0;
    }
    seconds + crate::clock::counter() / board::clock_rate()
}
