// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the interface refuses, and with which number.

use paravirt_bsp::Error;
use paravirt_bsp::abi::line::{FIRST_FREE, LINES, TIMERS};
use paravirt_bsp::interface::{
    pv_irq_attach, pv_irq_detach, pv_irq_mask, pv_irq_raise, pv_irq_unmask, pv_timer_start, pv_timer_stop,
};

use crate::check::{Check, Outcome, ensure};

pub const CHECKS: &[Check] = &[("errors: numbers", numbers)];

const LINE: u32 = FIRST_FREE + 1;

fn numbers() -> Outcome {
    let expect = |what: &str, found: i32, wanted: Error| {
        ensure!(found == wanted.number(), "{what}: {found}, not {}", wanted.number());
        Ok(())
    };
    let succeed = |what: &str, found: i32| {
        ensure!(found == 0, "{what}: {found}, not 0");
        Ok(())
    };
    for line in [LINES, LINES + 1, 32, 63, 64, u32::MAX] {
        expect("attach of no line", pv_irq_attach(line), Error::NoSuchDevice)?;
        expect("detach of no line", pv_irq_detach(line), Error::NoSuchDevice)?;
        expect("mask of no line", pv_irq_mask(line), Error::NoSuchDevice)?;
        expect("unmask of no line", pv_irq_unmask(line), Error::NoSuchDevice)?;
        expect("raise of no line", pv_irq_raise(line), Error::NoSuchDevice)?;
    }
    expect("detach of a free line", pv_irq_detach(LINE), Error::NotAttached)?;
    succeed("attach", pv_irq_attach(LINE))?;
    expect("attach again", pv_irq_attach(LINE), Error::Busy)?;
    succeed("detach", pv_irq_detach(LINE))?;
    for timer in [TIMERS, u32::MAX] {
        expect("start of no timer", pv_timer_start(timer, 0, 0), Error::NoSuchDevice)?;
        expect("stop of no timer", pv_timer_stop(timer), Error::NoSuchDevice)?;
    }
    succeed("stop before start", pv_timer_stop(7))?;
    expect("period of 1 ns", pv_timer_start(7, 0, 1), Error::InvalidArgument)?;
    succeed("hardly ever", pv_timer_start(7, u64::MAX, u64::MAX))?;
    succeed("stop", pv_timer_stop(7))
}
