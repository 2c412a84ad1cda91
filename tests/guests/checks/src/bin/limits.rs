// SPDX-License-Identifier: MIT OR Apache-2.0
//! Calls the interface with values at and beyond its limits.
#![no_std]
#![no_main]

use guest_checks::now;
use paravirt_bsp::abi::error::Error;
use paravirt_bsp::abi::line::{LINES, TIMERS};
use paravirt_bsp::interface::{
    pv_console_read, pv_console_write, pv_irq_attach, pv_irq_detach, pv_irq_mask, pv_irq_raise, pv_irq_unmask,
    pv_timer_start, pv_timer_stop,
};
use paravirt_bsp::println;
use paravirt_bsp::timer::Timer;

paravirt_bsp::image! { main: main }

const MILLISECOND: u64 = 1_000_000;

fn main() -> i32 {
    let mut failed = 0;
    let mut check = |name: &str, found: i64, expected: i64| {
        if found != expected {
            println!("{name}: {found} instead of {expected}");
            failed += 1;
        }
    };
    let number = |error: Error| i64::from(error.number());
    let no_device = number(Error::NoSuchDevice);

    for timer in [TIMERS, u32::MAX] {
        check("start of no timer", pv_timer_start(timer, 0, 0).into(), no_device);
        check("stop of no timer", pv_timer_stop(timer).into(), no_device);
    }
    check("stop before start", pv_timer_stop(3).into(), 0);
    let invalid = number(Error::InvalidArgument);
    check("period of 1 ns", pv_timer_start(3, 0, 1).into(), invalid);

    for line in [LINES, LINES + 1, 64, u32::MAX] {
        check("attach of no line", pv_irq_attach(line).into(), no_device);
        check("detach of no line", pv_irq_detach(line).into(), no_device);
        check("mask of no line", pv_irq_mask(line).into(), no_device);
        check("unmask of no line", pv_irq_unmask(line).into(), no_device);
        check("raise of no line", pv_irq_raise(line).into(), no_device);
    }
    check(
        "detach of a free line",
        pv_irq_detach(9).into(),
        number(Error::NotAttached),
    );
    check("attach", pv_irq_attach(9).into(), 0);
    check("attach again", pv_irq_attach(9).into(), number(Error::Busy));
    check("detach", pv_irq_detach(9).into(), 0);
    check("attach after detach", pv_irq_attach(9).into(), 0);

    let bad = number(Error::BadAddress);
    let text = b"x";
    // SAFETY: pointers that the host checks; that is the purpose.
    unsafe {
        check("write from null", pv_console_write(core::ptr::null(), 1) as i64, bad);
        check(
            "write of everything",
            pv_console_write(text.as_ptr(), usize::MAX) as i64,
            bad,
        );
        check("write of nothing", pv_console_write(text.as_ptr(), 0) as i64, 0);
        let constant = text.as_ptr().cast_mut();
        check("read to a constant", pv_console_read(constant, 1) as i64, bad);
    }

    let expirations = |number: u32, first, period| {
        let timer = Timer::new(number).expect("a timer");
        let before = timer.expirations();
        let result = pv_timer_start(number, first, period);
        let end = now() + 20 * MILLISECOND;
        while now() < end {}
        let stopped = pv_timer_stop(number);
        if result < 0 || stopped < 0 {
            return i64::from(result.min(stopped));
        }
        (timer.expirations() - before) as i64
    };
    check("at once", expirations(4, 0, 0), 1);
    check("at once, then hardly ever", expirations(4, 0, u64::MAX), 1);
    check("hardly ever", expirations(4, u64::MAX, 0), 0);
    check("hardly ever, then often", expirations(4, u64::MAX, MILLISECOND), 0);
    check("after a second", expirations(4, 1000 * MILLISECOND, MILLISECOND), 0);
    check("not again after stop", expirations(5, 10 * MILLISECOND, 0), 1);
    failed
}
