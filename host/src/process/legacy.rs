// SPDX-License-Identifier: MIT OR Apache-2.0
//! The functions that images of 2013 call; how they are called, and what else the images find, is the core's
//! [`legacy`](paravirt_host_core::legacy).
//!
//! Offered are console and time. Interrupts are not, unless the image has a vCPU page as well: in 2013 an interrupt entered the
//! guest through the vCPU of the L4 microkernel, and the guest's handler returned by one of its system calls, which a Linux
//! process does not have. So `l4rtems_requestIrq` refuses, as it did for interrupts that were not there. Ports are not offered:
//! a user-mode process has none to grant.

use paravirt_abi::line;

use super::call::Call;
use super::interface;
use super::vm::Provided;

/// Nanoseconds in a microsecond, the unit of 2013.
const MICROSECOND: u64 = 1_000;

/// The functions of 2013.
pub(super) fn functions() -> [(&'static str, Provided); 7] {
    [
        ("l4rtems_outch", Provided::fastcall(outch)),
        ("l4rtems_inch", Provided::fastcall(inch)),
        ("l4rtems_requestIrq", Provided::fastcall(request_irq)),
        ("l4rtems_detachIrq", Provided::fastcall(detach_irq)),
        ("l4rtems_timer_start", Provided::fastcall(timer_start)),
        (
            "l4rtems_timer_stop",
            Provided::fastcall(|call: &mut Call| stop_timer(call)),
        ),
        (
            "l4rtems_timer_read",
            Provided::fastcall(|call: &mut Call| (call.vcpu().clock.now() / MICROSECOND) as u32),
        ),
    ]
}

fn outch(call: &mut Call, character: i8) {
    let byte = match character as u8 {
        0 => b'\n',
        byte => byte,
    };
    // There is nothing to tell the guest.
    let _ = call.vcpu().console.write(&[byte]);
}

fn inch(call: &mut Call) -> i32 {
    match interface::read_console(call, 1) {
        Ok(bytes) => bytes.first().map_or(-1, |&byte| byte.into()),
        Err(error) => error.number(),
    }
}

/// A C `bool`.
fn request_irq(call: &mut Call, number: u32) -> u8 {
    let delivered = call.vcpu().takes_interrupts;
    (delivered && interface::irq_attach(call, number).is_ok()).into()
}

fn detach_irq(call: &mut Call, number: u32) {
    if number == line::TIMER {
        stop_timer(call);
    }
    let vcpu = call.vcpu();
    // There is nothing to tell the guest.
    let _ = vcpu.lines().detach(&vcpu.page, number);
}

fn timer_start(call: &mut Call, period: u64, first: u64) {
    let first = if first == 0 { period } else { first };
    let ns = |time: u64| time.saturating_mul(MICROSECOND);
    // There is nothing to tell the guest.
    let _ = call.vcpu().timers.start(0, ns(first), ns(period));
}

fn stop_timer(call: &Call) {
    // The timer exists.
    let _ = call.vcpu().timers.stop(0);
}
