// SPDX-License-Identifier: MIT OR Apache-2.0
//! The functions that images of 2013 call. What they do and how they are called, and what else the images find, is the core's
//! [`legacy`](paravirt_host_core::legacy).

use paravirt_abi::error::Error;
use paravirt_host_core::legacy::{self, Today};

use super::call::Call;
use super::interface;
use super::vm::Provided;

/// The functions of 2013.
pub(super) fn functions() -> [(&'static str, Provided); 7] {
    [
        (
            "l4rtems_outch",
            Provided::new(|call: &mut Call, character: i8| legacy::outch(call, character)),
        ),
        (
            "l4rtems_inch",
            Provided::new(|call: &mut Call| legacy::inch(call)),
        ),
        (
            "l4rtems_requestIrq",
            Provided::new(|call: &mut Call, number: u32| legacy::request_irq(call, number)),
        ),
        (
            "l4rtems_detachIrq",
            Provided::new(|call: &mut Call, number: u32| legacy::detach_irq(call, number)),
        ),
        (
            "l4rtems_timer_start",
            Provided::new(|call: &mut Call, period: u64, first: u64| {
                legacy::timer_start(call, period, first);
            }),
        ),
        (
            "l4rtems_timer_stop",
            Provided::new(|call: &mut Call| legacy::timer_stop(call)),
        ),
        (
            "l4rtems_timer_read",
            Provided::new(|call: &mut Call| legacy::timer_read(call)),
        ),
    ]
}

impl Today for Call {
    fn write_byte(&self, byte: u8) {
        // There is nothing to tell the guest; so below.
        let _ = self.vcpu().console.write(&[byte]);
    }

    fn read_byte(&self) -> Result<Option<u8>, Error> {
        Ok(interface::read_console(self, 1)?.first().copied())
    }

    fn now(&self) -> u64 {
        self.vcpu().clock.now()
    }

    fn start_timer(&self, first: u64, period: u64) {
        let vcpu = self.vcpu();
        let _ = vcpu.timers.start(vcpu, 0, first, period);
    }

    fn stop_timer(&self) {
        let vcpu = self.vcpu();
        let _ = vcpu.timers.stop(vcpu, 0);
    }

    fn takes_interrupts(&self) -> bool {
        self.vcpu().takes_interrupts
    }

    fn attach(&self, line: u32) -> Result<(), Error> {
        interface::attach(self, line)
    }

    fn detach(&self, line: u32) {
        let vcpu = self.vcpu();
        let _ = vcpu.lines().detach(vcpu.page.pending(), line);
    }
}
