// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface functions, and those that images of 2013 call, as closures. What they do is the core's, and so is how those of 2013 are
//! called. Ports are not offered.

use paravirt_host_core::legacy;

use super::functions::{
    Call, GuestConstPtr, GuestPtr, GuestUsize, HostFunction, Provided, Stopped,
};

/// A name and its function.
type Named = (&'static str, Provided);

fn provide<A, F: HostFunction<A>>(name: &'static str, function: F) -> Named {
    (name, Provided::new(function))
}

/// The interface functions.
pub(super) fn functions() -> [Named; 14] {
    [
        provide(
            "pv_console_write",
            |call: &mut Call, from: GuestConstPtr<u8>, length: GuestUsize| {
                call.guest().console_write(from.address(), length.0)
            },
        ),
        provide(
            "pv_console_read",
            |call: &mut Call, to: GuestPtr<u8>, length: GuestUsize| {
                call.guest().console_read(to.address(), length.0)
            },
        ),
        provide("pv_clock_now", |call: &mut Call| call.guest().clock_now()),
        provide("pv_clock_wall", |call: &mut Call| call.guest().clock_wall()),
        provide(
            "pv_timer_start",
            |call: &mut Call, timer: u32, first: u64, period: u64| {
                call.guest().timer_start(timer, first, period)
            },
        ),
        provide("pv_timer_stop", |call: &mut Call, timer: u32| {
            call.guest().timer_stop(timer)
        }),
        provide("pv_irq_attach", |call: &mut Call, line: u32| {
            call.guest().irq_attach(line)
        }),
        provide("pv_irq_detach", |call: &mut Call, line: u32| {
            call.guest().irq_detach(line)
        }),
        provide("pv_irq_mask", |call: &mut Call, line: u32| {
            call.guest().irq_mask(line)
        }),
        provide("pv_irq_unmask", |call: &mut Call, line: u32| {
            call.guest().irq_unmask(line)
        }),
        provide("pv_irq_raise", |call: &mut Call, line: u32| {
            call.guest().irq_raise(line)
        }),
        provide("pv_cpu_idle", |call: &mut Call| {
            let guest = call.guest();
            guest.platform().count_idle(|| guest.cpu_idle());
        }),
        provide("pv_cpu_set_tls", |call: &mut Call, base: GuestUsize| {
            call.guest().cpu_set_tls(base.0)
        }),
        provide("pv_shutdown", |call: &mut Call, reason: u32, code: i32| {
            call.guest().shutdown(reason, code);
            Stopped(())
        }),
    ]
}

/// The functions of 2013.
pub(super) fn of_2013() -> [Named; legacy::OFFERED.len()] {
    [
        provide("l4rtems_outch", |call: &mut Call, character: i8| {
            legacy::outch(call.guest(), character);
        }),
        provide("l4rtems_inch", |call: &mut Call| legacy::inch(call.guest())),
        provide("l4rtems_requestIrq", |call: &mut Call, number: u32| {
            legacy::request_irq(call.guest(), number)
        }),
        provide("l4rtems_detachIrq", |call: &mut Call, number: u32| {
            legacy::detach_irq(call.guest(), number);
        }),
        provide(
            "l4rtems_timer_start",
            |call: &mut Call, period: u64, first: u64| {
                legacy::timer_start(call.guest(), period, first);
            },
        ),
        provide("l4rtems_timer_stop", |call: &mut Call| {
            legacy::timer_stop(call.guest());
        }),
        provide("l4rtems_timer_read", |call: &mut Call| {
            legacy::timer_read(call.guest())
        }),
    ]
}
