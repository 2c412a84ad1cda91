// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the functions of 2013 do, on what a host has for those of today.
//!
//! Offered are console and time. Interrupts are not, unless the image has a vCPU page as well: in 2013 an interrupt entered the
//! guest through the vCPU of the L4 microkernel, and the guest's handler returned by one of its system calls, which a host of today
//! does not have, or not in that form. So `l4rtems_requestIrq` refuses, as it did for interrupts that were not there. Ports are
//! not offered: user mode has none to grant.

use paravirt_abi::error::Error;
use paravirt_abi::line;

/// The functions of 2013 that hosts offer, sorted by name.
pub const OFFERED: [&str; 7] = [
    "l4rtems_detachIrq",
    "l4rtems_inch",
    "l4rtems_outch",
    "l4rtems_requestIrq",
    "l4rtems_timer_read",
    "l4rtems_timer_start",
    "l4rtems_timer_stop",
];

/// Nanoseconds in a microsecond, the unit of 2013.
const MICROSECOND: u64 = 1_000;

/// What a host does for the functions of today. Times are in ns; the timer is number 0.
pub trait Today {
    /// Writes a byte to the console, if that takes it.
    fn write_byte(&self, byte: u8);
    /// Takes a byte of input without waiting; `None` if there is none now.
    ///
    /// # Errors
    /// As of `pv_console_read`.
    fn read_byte(&self) -> Result<Option<u8>, Error>;
    /// The guest's time.
    fn now(&self) -> u64;
    /// Starts the timer, if the times are valid: `first` from now, then each `period`.
    fn start_timer(&self, first: u64, period: u64);
    /// Stops the timer.
    fn stop_timer(&self);
    /// Whether the guest has a vCPU page, without which no interrupt can enter it.
    fn takes_interrupts(&self) -> bool;
    /// Gives a line to the guest.
    ///
    /// # Errors
    /// As of `pv_irq_attach`.
    fn attach(&self, line: u32) -> Result<(), Error>;
    /// Takes a line back, if the guest has it.
    fn detach(&self, line: u32);
}

/// `l4rtems_outch`.
pub fn outch(host: &impl Today, character: i8) {
    host.write_byte(match character as u8 {
        0 => b'\n',
        byte => byte,
    });
}

/// `l4rtems_inch`; -1 if there is no byte, for whatever reason: callers of then compare with that.
pub fn inch(host: &impl Today) -> i32 {
    host.read_byte().ok().flatten().map_or(-1, i32::from)
}

/// `l4rtems_requestIrq`, which returns a C `bool`.
pub fn request_irq(host: &impl Today, number: u32) -> u8 {
    (host.takes_interrupts() && host.attach(number).is_ok()).into()
}

/// `l4rtems_detachIrq`.
pub fn detach_irq(host: &impl Today, number: u32) {
    if number == line::TIMER {
        host.stop_timer();
    }
    host.detach(number);
}

/// `l4rtems_timer_start`.
pub fn timer_start(host: &impl Today, period: u64, first: u64) {
    let first = if first == 0 { period } else { first };
    let ns = |time: u64| time.saturating_mul(MICROSECOND);
    host.start_timer(ns(first), ns(period));
}

/// `l4rtems_timer_stop`.
pub fn timer_stop(host: &impl Today) {
    host.stop_timer();
}

/// `l4rtems_timer_read`.
pub fn timer_read(host: &impl Today) -> u32 {
    (host.now() / MICROSECOND) as u32
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};
    use core::cell::{Cell, RefCell};
    use core::fmt::Write;

    use paravirt_abi::legacy;

    use super::*;

    /// Writes down what it is asked for.
    struct Diary {
        input: Cell<Result<Option<u8>, Error>>,
        takes_interrupts: bool,
        written: RefCell<String>,
    }

    impl Diary {
        fn new(takes_interrupts: bool) -> Self {
            Self {
                input: Cell::new(Ok(None)),
                takes_interrupts,
                written: RefCell::default(),
            }
        }

        fn note(&self, what: impl ToString) {
            let mut written = self.written.borrow_mut();
            // Text takes all.
            let _ = write!(written, "{} ", what.to_string());
        }

        fn take(&self) -> String {
            core::mem::take(&mut *self.written.borrow_mut())
        }
    }

    impl Today for Diary {
        fn write_byte(&self, byte: u8) {
            self.note(byte);
        }

        fn read_byte(&self) -> Result<Option<u8>, Error> {
            self.input.get()
        }

        fn now(&self) -> u64 {
            (5 << 32) * MICROSECOND + 7_999
        }

        fn start_timer(&self, first: u64, period: u64) {
            self.note(alloc::format!("start {first} {period}"));
        }

        fn stop_timer(&self) {
            self.note("stop");
        }

        fn takes_interrupts(&self) -> bool {
            self.takes_interrupts
        }

        fn attach(&self, line: u32) -> Result<(), Error> {
            self.note(alloc::format!("attach {line}"));
            if line == 9 { Err(Error::Busy) } else { Ok(()) }
        }

        fn detach(&self, line: u32) {
            self.note(alloc::format!("detach {line}"));
        }
    }

    #[test]
    fn characters_are_bytes_and_nul_ends_the_line() {
        let host = Diary::new(false);
        for character in [b'a' as i8, 0, -1] {
            outch(&host, character);
        }
        assert_eq!(host.take(), "97 10 255 ");
    }

    #[test]
    fn without_a_byte_it_is_minus_one() {
        let host = Diary::new(false);
        assert_eq!(inch(&host), -1);
        host.input.set(Ok(Some(0xff)));
        assert_eq!(inch(&host), 255);
        host.input.set(Err(Error::EndOfInput));
        assert_eq!(inch(&host), -1);
    }

    #[test]
    fn times_are_microseconds() {
        let host = Diary::new(false);
        assert_eq!(timer_read(&host), 7, "the low 32 bits");
        timer_start(&host, 10, 100);
        timer_start(&host, 10, 0);
        timer_start(&host, u64::MAX, 1);
        timer_stop(&host);
        assert_eq!(
            host.take(),
            "start 100000 10000 start 10000 10000 start 1000 18446744073709551615 stop "
        );
    }

    #[test]
    fn without_a_vcpu_page_there_are_no_interrupts() {
        let host = Diary::new(false);
        assert_eq!(request_irq(&host, 0), 0);
        detach_irq(&host, 0);
        detach_irq(&host, 1);
        assert_eq!(host.take(), "stop detach 0 detach 1 ");
        let host = Diary::new(true);
        assert_eq!((request_irq(&host, 1), request_irq(&host, 9)), (1, 0));
        assert_eq!(host.take(), "attach 1 attach 9 ");
    }

    #[test]
    fn what_is_offered_existed() {
        assert!(OFFERED.is_sorted());
        assert!(OFFERED.iter().all(|name| legacy::find(name).is_some()));
    }
}
