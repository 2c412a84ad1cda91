// SPDX-License-Identifier: MIT OR Apache-2.0
//! From Xen's start info to ours.

use paravirt_abi::start::StartInfo;

use super::ring::Ring;
use super::{console, events, hypercall, irq, pv, shared, stop, timer};
use crate::backend::info;
use crate::start::{Entry, EntryPoint};

/// The oldest Xen whose interfaces are used here: the first whose PVH domains are as today.
const OLDEST: (u16, u16) = (4, 11);

static RING: Ring = Ring::new();

pub(super) fn detects(entry: &Entry) -> bool {
    entry.point == EntryPoint::XenPv
}

pub(super) fn start(entry: &Entry) -> &'static StartInfo {
    check_version();
    start_pv(entry);
    info::finish(timer::wall())
}

fn check_version() {
    let (major, minor) = hypercall::version();
    if (major, minor) < OLDEST {
        stop::refuse(format_args!(
            "this is Xen {major}.{minor}; needed is {}.{} or later",
            OLDEST.0, OLDEST.1
        ));
    }
}

fn start_pv(entry: &Entry) {
    // SAFETY: the PV entry point passes the address of Xen's start info, which it has checked.
    let start = unsafe { &*(entry.argument as *const pv::StartInfo) };
    // SAFETY: the page is there to be replaced; it is all integers.
    unsafe { pv::memory::replace(&shared::PAGE, start.shared_info) };
    timer::start();
    events::start();
    irq::close();
    hypercall::stop_periodic_timer();
    match hypercall::bind_virq(events::VIRQ_TIMER) {
        Ok(port) => events::bind_timer(port),
        Err(error) => stop::refuse(format_args!(
            "Xen gives no event channel for the timer: error {error}"
        )),
    }
    if start.controls_machine() {
        console::start_own();
    } else {
        // SAFETY: as above.
        unsafe { pv::memory::replace(&RING, start.console_frame << 12) };
        console::start_ring(&RING, start.console_channel);
    }
    info::set_command_line(start.command_line());
    pv::memory::protect(start);
    let (free, end) = pv::memory::map_all(start, entry.stack as usize);
    // Between the image and what is free lies what Xen made: the list of frames, the start info, page tables.
    info::add_memory(0, pv::memory::image_end() as u64);
    info::add_memory(free as u64, end as u64);
}
