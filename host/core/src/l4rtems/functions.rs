// SPDX-License-Identifier: MIT OR Apache-2.0
//! The L4RTEMS functions, by those of the interface. For host functions, as the interface is.
//!
//! Offered are console and time. Interrupts are not, unless the image has a vCPU page as well: in L4RTEMS an interrupt
//! entered the guest through the vCPU of the L4 microkernel, and the guest's handler returned by one of its system
//! calls, which a host does not have, or not in that form. So `l4rtems_requestIrq` refuses, as it did for
//! interrupts that were not there. Ports are not offered: user mode has none to grant.

use paravirt_abi::line;

use crate::guest::{Guest, Platform};

/// Nanoseconds in a microsecond, the unit of L4RTEMS.
const MICROSECOND: u64 = 1_000;

#[allow(non_snake_case, reason = "L4RTEMS named some of them so")]
impl<P: Platform> Guest<P> {
    /// Writes a character.
    pub fn l4rtems_outch(&self, character: i8) {
        let byte = match character as u8 {
            0 => b'\n',
            byte => byte,
        };
        // There is nothing to tell the guest; so below.
        let _ = self.platform().console_write(&[byte]);
    }

    /// `l4rtems_inch`; -1 if there is no byte, for whatever reason: its callers compare with that.
    pub fn l4rtems_inch(&self) -> i32 {
        let mut byte = [0];
        match self.take_input(&mut byte) {
            Ok(1) => byte[0].into(),
            _ => -1,
        }
    }

    /// `l4rtems_requestIrq`, which returns a C `bool`.
    pub fn l4rtems_requestIrq(&self, number: u32) -> u8 {
        (self.takes_interrupts && self.pv_irq_attach(number).is_ok()).into()
    }

    /// `l4rtems_detachIrq`.
    pub fn l4rtems_detachIrq(&self, number: u32) {
        if number == line::TIMER {
            self.l4rtems_timer_stop();
        }
        let _ = self.pv_irq_detach(number);
    }

    /// `l4rtems_timer_start`.
    pub fn l4rtems_timer_start(&self, period: u64, first: u64) {
        let first = if first == 0 { period } else { first };
        let _ = self.pv_timer_start(0, to_ns(first), to_ns(period));
    }

    /// `l4rtems_timer_stop`.
    pub fn l4rtems_timer_stop(&self) {
        let _ = self.pv_timer_stop(0);
    }

    /// `l4rtems_timer_read`.
    pub fn l4rtems_timer_read(&self) -> u32 {
        from_ns(self.pv_clock_now())
    }
}

/// A time of L4RTEMS in ns; one that is too long is the longest.
const fn to_ns(time: u64) -> u64 {
    time.saturating_mul(MICROSECOND)
}

/// What the clock of L4RTEMS shows at that time in ns: the lower half.
const fn from_ns(ns: u64) -> u32 {
    (ns / MICROSECOND) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_l4rtems_time_that_is_too_long_is_the_longest() {
        assert_eq!(to_ns(10_000), 10_000_000);
        assert_eq!(to_ns(u64::MAX / 1_000), u64::MAX / 1_000 * 1_000);
        for long in [u64::MAX / 1_000 + 1, 1 << 63, u64::MAX] {
            assert_eq!(to_ns(long), u64::MAX, "{long}");
        }
    }

    #[test]
    fn the_l4rtems_clock_shows_the_lower_half_of_its_time() {
        assert_eq!(from_ns(1_999), 1);
        assert_eq!(from_ns((1 << 32) * 1_000 - 1), u32::MAX);
        assert_eq!(from_ns(((3 << 32) + 7) * 1_000), 7);
    }
}
