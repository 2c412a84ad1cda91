// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interrupts of timer, serial port, and of a hypervisor.

use super::machine::Machine;
use super::start::{map_device, refuse};
use crate::backend::bare::console;
use crate::backend::{entry, timers};
use crate::el1::gic::{self, Gic};
use crate::el1::{interrupt, serial, timer};
use crate::local::Local;

/// Bytes of the registers of a distributor, and of a version-2 interface.
const DISTRIBUTOR: u64 = 0x1_0000;
const INTERFACE: u64 = 0x2000;

/// What the device tree says: the controller, and the timer's interrupt.
static GIC: Local<Option<Gic>> = Local::new(None);
static TIMER: Local<u32> = Local::new(0);
/// An interrupt of a hypervisor and who takes it.
static OTHER: Local<Option<Other>> = Local::new(None);

type Other = (u32, interrupt::Handler);

/// Has `take` called for the processor's interrupt of that number, when the controller starts.
///
/// # Safety
/// As for the handler of [`interrupt::set_handler`].
#[cfg(feature = "xen")]
pub(in crate::backend) unsafe fn add(number: u32, take: interrupt::Handler) {
    // SAFETY: at the start, before the first interrupt.
    unsafe { OTHER.set_large(Some((number, take))) };
}

/// Takes what there is from the device tree and maps it; stops where it will not do.
pub(super) fn set(machine: &Machine) {
    let Some(gic) = machine.gic else {
        let Some((name, is_known)) = machine.other_controller else {
            refuse(format_args!(
                "the device tree names no interrupt controller; it must name a GIC, version 2 to 4"
            ));
        };
        if is_known {
            refuse(format_args!(
                "the device tree gives the interrupt controller no addresses that all buses above it translate"
            ));
        }
        refuse(format_args!(
            "the machine's interrupt controller is `{}`, which this layer does not know; it knows GIC versions 2 to 4",
            name.escape_ascii()
        ));
    };
    let Some(timer) = machine.timer else {
        refuse(format_args!(
            "the device tree names no interrupt of the processor's virtual timer (`arm,armv8-timer`)"
        ));
    };
    // SAFETY: at the start, before the first interrupt.
    unsafe { GIC.set_large(Some(gic)) };
    TIMER.set(timer);
    match gic {
        Gic::V2 { distributor, interface } => {
            map_device(distributor as u64, (distributor as u64).saturating_add(DISTRIBUTOR));
            map_device(interface as u64, (interface as u64).saturating_add(INTERFACE));
        }
        Gic::V3 {
            distributor,
            redistributors,
        } => {
            map_device(distributor as u64, (distributor as u64).saturating_add(DISTRIBUTOR));
            for (start, end) in redistributors {
                map_device(start as u64, end as u64);
            }
        }
    }
}

/// Starts the controller, with nothing let through but the interrupts of timer, serial port and hypervisor.
pub(super) fn start_interrupts() {
    // SAFETY: it touches the controller, the serial port, lines and timers.
    unsafe { interrupt::set_handler(handle) };
    let Some(gic) = GIC.get() else { return };
    let mut interrupts = [TIMER.get(), 0, 0];
    let mut count = 1;
    let others = [serial::interrupt(), OTHER.get().map(|(number, _)| number)];
    for number in others.into_iter().flatten() {
        interrupts[count] = number;
        count += 1;
    }
    // SAFETY: the device tree says that the registers are there; `set` has mapped them, and they are this module's.
    if !unsafe { gic::start(gic, &interrupts[..count]) } {
        refuse(format_args!(
            "the interrupt controller (GIC version 3) has no working part for this processor"
        ));
    }
    // The processor keeps interrupts away since the entry; turning interrupts on lets them in.
    entry::mark_host_closed();
}

/// Takes what has come: the device first, then the end of the interrupt, since both devices hold their signal until
/// they are served.
fn handle() {
    gic::take(|number| {
        if number == TIMER.get() {
            timer::silence();
            // SAFETY: the entry of interrupts.
            unsafe { timers::expire() };
        } else if Some(number) == serial::interrupt() {
            serial::acknowledge();
            console::announce_input();
        } else if let Some((other, take)) = OTHER.get()
            && number == other
        {
            take();
        }
    });
}
