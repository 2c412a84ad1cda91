// SPDX-License-Identifier: MIT OR Apache-2.0
//! From Xen's start info to ours.

use paravirt_abi::start::StartInfo;

use super::{console, events, hypercall, power, pvh, timer};
#[cfg(target_arch = "x86_64")]
use super::{pv, shared};
use crate::backend::info;
use crate::ring0::{self, pvh_start_info};
use crate::start::{Entry, EntryPoint};

pub(super) fn detects(entry: &Entry) -> bool {
    match entry.point {
        EntryPoint::XenPv => true,
        EntryPoint::Pvh => pvh::is_xen(),
        EntryPoint::Elf | EntryPoint::Reset | EntryPoint::Own(_) => false,
    }
}

/// Called once, with events and the virtual interrupt flag off.
pub(super) fn start(entry: &Entry) -> &'static StartInfo {
    match entry.point {
        #[cfg(target_arch = "x86_64")]
        EntryPoint::XenPv => start_pv(entry),
        _ => start_pvh(),
    }
    info::finish(timer::wall())
}

#[cfg(target_arch = "x86_64")]
fn start_pv(entry: &Entry) {
    hypercall::check_version();
    // SAFETY: the PV entry point passes the address of Xen's start info, which it has checked.
    let start = unsafe { &*(entry.argument as *const pv::StartInfo) };
    // SAFETY: the page is there to be replaced; it is all integers.
    unsafe { pv::mapping::replace(&shared::PAGE, start.shared_info) };
    pv::irq::close();
    hypercall::stop_periodic_timer();
    start_events();
    if start.controls_machine() {
        console::start_own();
    } else {
        let (ring, port) = pv::console(start);
        console::start_ring(ring, port);
    }
    info::set_command_line(start.command_line());
    pv::mapping::protect(start);
    let (free, end) = pv::mapping::map_all(start, entry.stack as usize);
    // Between the image and what is free lies what Xen made: the list of frames, the start info, page tables.
    info::add_memory(0, pv::mapping::image_end() as u64);
    info::add_memory(free as u64, end as u64);
}

fn start_pvh() {
    hypercall::set_instruction(pvh::instruction());
    console::start_messages();
    // SAFETY: it ends the domain.
    unsafe { ring0::set_stop(power::stop) };
    hypercall::check_version();
    let features = hypercall::features();
    pvh::start(features);
    start_events();
    if features & hypercall::CONTROLS_MACHINE != 0 {
        console::start_own();
    } else {
        let (ring, port) = pvh::console();
        console::start_ring(ring, port);
    }
    // SAFETY: the backend starts; the text is copied.
    info::set_command_line(unsafe { pvh_start_info::command_line() });
    pvh::add_memory();
}

/// Clock and timer, from the shared page and its first event channel.
fn start_events() {
    timer::start();
    events::start();
    match hypercall::bind_virq(events::VIRQ_TIMER) {
        Ok(port) => events::bind_timer(port),
        Err(error) => power::refuse(format_args!("Xen gives no event channel for the timer: error {error}")),
    }
}
