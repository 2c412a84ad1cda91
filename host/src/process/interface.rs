// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface functions, and those that L4RTEMS images call, as closures. What they do is the core's, and so is how
//! those of L4RTEMS are called. Ports are not offered.

use super::functions::{Call, GuestConstPtr, GuestPtr, GuestUsize, Provided, Stopped};

/// Defines a list of names and functions, of the guest that calls and its arguments.
macro_rules! functions {
    ($list:ident { $($name:ident = |$guest:ident $(, $argument:ident: $ty:ty)*| $body:expr;)* }) => {
        pub(super) fn $list() -> impl Iterator<Item = (&'static str, Provided)> {
            [$((
                stringify!($name),
                Provided::new(|call: &mut Call $(, $argument: $ty)*| {
                    let $guest = call.guest();
                    $body
                }),
            )),*]
            .into_iter()
        }
    };
}

functions! { interface {
    pv_clock_now = |guest| guest.clock_now();
    pv_clock_wall = |guest| guest.clock_wall();
    pv_console_read = |guest, to: GuestPtr<u8>, length: GuestUsize|
        guest.console_read(to.address(), length.0);
    pv_console_write = |guest, from: GuestConstPtr<u8>, length: GuestUsize|
        guest.console_write(from.address(), length.0);
    pv_cpu_idle = |guest| guest.platform().count_idle(|| guest.cpu_idle());
    pv_cpu_set_tls = |guest, base: GuestUsize| guest.cpu_set_tls(base.0);
    pv_irq_attach = |guest, line: u32| guest.irq_attach(line);
    pv_irq_detach = |guest, line: u32| guest.irq_detach(line);
    pv_irq_mask = |guest, line: u32| guest.irq_mask(line);
    pv_irq_raise = |guest, line: u32| guest.irq_raise(line);
    pv_irq_unmask = |guest, line: u32| guest.irq_unmask(line);
    pv_shutdown = |guest, reason: u32, code: i32| {
        guest.shutdown(reason, code);
        Stopped(())
    };
    pv_timer_start = |guest, timer: u32, first: u64, period: u64|
        guest.timer_start(timer, first, period);
    pv_timer_stop = |guest, timer: u32| guest.timer_stop(timer);
} }

functions! { then {
    l4rtems_detachIrq = |guest, number: u32| guest.l4rtems_detach_irq(number);
    l4rtems_inch = |guest| guest.l4rtems_inch();
    l4rtems_outch = |guest, character: i8| guest.l4rtems_outch(character);
    l4rtems_requestIrq = |guest, number: u32| guest.l4rtems_request_irq(number);
    l4rtems_timer_read = |guest| guest.l4rtems_timer_read();
    l4rtems_timer_start = |guest, period: u64, first: u64|
        guest.l4rtems_timer_start(period, first);
    l4rtems_timer_stop = |guest| guest.l4rtems_timer_stop();
} }

#[cfg(test)]
mod tests {
    use paravirt_host_core::l4rtems::OFFERED;

    #[test]
    fn the_l4rtems_functions_are_those_that_hosts_offer() {
        assert!(super::then().map(|(name, _)| name).eq(OFFERED));
    }
}
