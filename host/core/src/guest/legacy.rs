// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the functions of 2013 stand on.

use paravirt_abi::error::Error;

use super::{Guest, Platform};
use crate::legacy::Today;

impl<P: Platform> Today for Guest<P> {
    fn write_byte(&self, byte: u8) {
        // There is nothing to tell the guest; so below.
        let _ = self.platform.console_write(&[byte]);
    }

    fn read_byte(&self) -> Result<Option<u8>, Error> {
        let mut byte = [0];
        let count = self.take_input(&mut byte)?;
        Ok((count > 0).then_some(byte[0]))
    }

    fn now(&self) -> u64 {
        self.clock_now()
    }

    fn start_timer(&self, first: u64, period: u64) {
        let _ = self.timer_start(0, first, period);
    }

    fn stop_timer(&self) {
        let _ = self.timer_stop(0);
    }

    fn takes_interrupts(&self) -> bool {
        self.takes_interrupts
    }

    fn attach(&self, line: u32) -> Result<(), Error> {
        self.irq_attach(line)
    }

    fn detach(&self, line: u32) {
        let _ = self.irq_detach(line);
    }
}
