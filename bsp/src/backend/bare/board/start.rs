// SPDX-License-Identifier: MIT OR Apache-2.0
//! From the device tree to a start info block.

use paravirt_abi::start::StartInfo;

use super::machine::Machine;
use super::{interrupts, rtc, timer as hardware};
use crate::backend::bare::{console, timer};
use crate::backend::info;
use crate::el1::device_tree::{self, DeviceTree};
use crate::el1::paging::{self, Kind};
use crate::el1::{message, stop};
use crate::start::{Entry, EntryPoint};

/// Bytes of the registers of the clock.
const REGISTERS: u64 = 0x1000;

/// A machine of its own, or one of a hypervisor that emulates one. Xen says that it is there; where it does not, its
/// domain is as any other such machine.
pub(in super::super) fn detects(entry: &Entry) -> bool {
    // SAFETY: a backend is looked for.
    entry.point == EntryPoint::Reset && !unsafe { device_tree::get() }.is_some_and(DeviceTree::names_xen)
}

/// Called once, with interrupts kept away and the virtual flag off.
pub(in super::super) fn start(_entry: &Entry) -> &'static StartInfo {
    start_machine(console::start)
}

/// The start of a machine whose console is started by that function. Called once, with interrupts kept away and the
/// virtual flag off.
pub(in crate::backend) fn start_machine(start_console: fn()) -> &'static StartInfo {
    // SAFETY: the backend starts.
    let mut machine = match unsafe { device_tree::get() }.map(Machine::read) {
        Some(Ok(machine)) => machine,
        Some(Err(problem)) => refuse(format_args!("{problem}")),
        None => refuse(format_args!("there is no device tree")),
    };
    start_console();
    if let Some(base) = machine.clock {
        map_device(base, base.saturating_add(REGISTERS));
        // SAFETY: the tree says that the clock is there, it was mapped, and it is this backend's.
        unsafe { rtc::set(base as usize) };
    }
    interrupts::set(&machine);
    hardware::set_rate(machine.rate);
    timer::start();
    interrupts::start_interrupts();
    check_image(&machine);
    if paging::is_moved() {
        move_image(&mut machine);
    }
    add_memory(&machine);
    info::set_command_line(machine.arguments);
    device_tree::forget();
    info::finish(timer::wall())
}

/// Says why this machine will not do, and stops.
pub(super) fn refuse(why: core::fmt::Arguments<'_>) -> ! {
    message::say(why);
    stop("fault", 1)
}

/// Maps registers of a device.
pub(super) fn map_device(start: u64, end: u64) {
    if let Err(problem) = paging::map(start, end, Kind::Device) {
        refuse(format_args!(
            "the device tree names a device at {start:#x}, which cannot be mapped: {problem}"
        ));
    }
}

/// Stops where the image is not in memory.
fn check_image(machine: &Machine) {
    let (start, end) = paging::image();
    let (start, end) = (paging::memory_of(start), paging::memory_of(end));
    if !machine.memory.iter().any(|range| range.0 <= start && end <= range.1) {
        refuse(format_args!(
            "the image lies from {start:#x} to {end:#x}, where the device tree has no memory; give the machine more \
            (QEMU: -m), or link the image elsewhere (`__image_base`)"
        ));
    }
}

/// Of an image that was loaded elsewhere, has the memory there be its own alone, and what memory there is at its
/// addresses be nobody's.
fn move_image(machine: &mut Machine) {
    let (start, end) = paging::image();
    machine.reserved.add((paging::memory_of(start), paging::memory_of(end)));
    machine.reserved.add(paging::taken());
}

/// Adds the image's memory, by its addresses.
fn add_image() {
    let (start, end) = paging::image();
    info::add_memory(start as u64, end as u64);
}

/// Maps memory but for what may not be mapped.
fn map_memory(machine: &Machine, mut start: u64, end: u64) -> Result<(), paging::Problem> {
    for (hole, hole_end) in machine.unmapped.iter() {
        if hole < end && start < hole_end {
            paging::map(start, hole, Kind::Memory)?;
            start = hole_end;
        }
    }
    paging::map(start, end, Kind::Memory)
}

/// Adds the machine's memory but for what is reserved.
fn add_memory(machine: &Machine) {
    if machine.reserved.is_short {
        message::say(format_args!(
            "the device tree reserves more ranges of memory than this layer keeps; none beside the image is used"
        ));
        add_image();
        return;
    }
    if paging::is_moved() {
        add_image();
    }
    for (mut start, end) in machine.memory.iter() {
        if let Err(problem) = map_memory(machine, start, end) {
            message::say(format_args!(
                "memory from {start:#x} to {end:#x} is not used, since it cannot be mapped: {problem}"
            ));
            continue;
        }
        for (reserved, reserved_end) in machine.reserved.iter() {
            if reserved < end && start < reserved_end {
                info::add_memory(start, reserved.max(start));
                start = reserved_end.max(start);
            }
        }
        info::add_memory(start, end.max(start));
    }
}
