// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ports, where the host grants them.

use paravirt_bsp::Error;
use paravirt_bsp::interface::{pv_port_in, pv_port_out};

use crate::check::{Check, Outcome, Problem, ensure, require};

pub const CHECKS: &[Check] = &[("ports: out and in", out_and_in)];

/// Index and data of a PC's clock chip, and the register that says whether its battery is good: bit 7, all others 0.
const INDEX: u16 = 0x70;
const DATA: u16 = 0x71;
const REGISTER_D: u32 = 0x0d;
const VALID: i64 = 0x80;

/// Goes out and comes in again by a device that every PC has. A width that is none is refused.
fn out_and_in() -> Outcome {
    require("pv_port_in")?;
    require("pv_port_out")?;
    // SAFETY: the chip's index register and a register of it that reading does not change.
    let (out, value) = unsafe { (pv_port_out(INDEX, 1, REGISTER_D), pv_port_in(DATA, 1)) };
    for number in [i64::from(out), value] {
        if number < 0 {
            return Err(Problem::from(Error::from_number(number as i32)));
        }
    }
    ensure!(value == VALID, "register D of the clock chip is {value:#x}");
    let invalid = i64::from(Error::InvalidArgument.number());
    // SAFETY: refused before anything happens.
    let (out, value) = unsafe { (pv_port_out(INDEX, 3, 0), pv_port_in(DATA, 0)) };
    ensure!(i64::from(out) == invalid, "width 3: {out}");
    ensure!(value == invalid, "width 0: {value}");
    Ok(())
}
