// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a guest that cannot go on, on a processor that it owns.

use crate::local::Local;
use crate::machine::fault::Fault;
use crate::machine::{message, processor, qemu};
use crate::{console, cpu, last_state};

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

/// The beginning of a fault's report. One that comes while another is being reported ends the guest here, each on fewer
/// channels than the one before: they may be what is at fault.
pub(crate) fn begin_report(fault: &Fault, name: &str, code: i32) {
    static REPORTS: Local<u32> = Local::new(0);

    let before = REPORTS.get();
    REPORTS.set(before + 1);
    if before > 0 {
        let message = format_args!(
            "another fault while one was being reported: {name} at {:#x}, address {:#x}",
            fault.instruction, fault.address
        );
        match before {
            1 => message::say_without_console(message),
            2 => message::say_to_debug_console(message),
            _ => processor::halt(),
        }
        stop("fault", code);
    }
    last_state::note(fault);
    // What was collected and not yet sent comes first; handlers have no say any more.
    cpu::disable_interrupts();
    let _ = console::flush();
}

unsafe extern "C" {
    static __stack_start: u8;
}

/// The page below the boot stack, which is not mapped on processors that have pages.
pub(crate) fn guard_page() -> usize {
    (&raw const __stack_start as usize & !0xfff) - 0x1000
}

/// Returns whether that is an address in that page.
pub(crate) fn is_below_stack(address: usize) -> bool {
    address & !0xfff == guard_page()
}
