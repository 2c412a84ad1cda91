// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every host and every backend must do, checked from inside a guest.
//!
//! `conformance all [--verbose] [--late-ms N]` with `input.bin` on the console prints the same list of checks on each
//! host, one line each:
//!
//! ```text
//! NAME ... ok
//! NAME ... not offered: REASON
//! NAME ... FAILED: DETAIL
//! conformance: N ok, N not offered, N failed
//! ```
//!
//! and ends with exit code 0 if none failed. Counts and orders are checked exactly; how late an interrupt
//! may usually come is an argument, by default generous enough for an emulator on a busy machine; that one came later,
//! because the machine stood still, is no fault. `--verbose` names each check when it begins and adds
//! what it measured. Runs of their own end the guest in each way: `conformance exit N`, `conformance reset`,
//! `conformance fatal`.
#![no_std]

use paravirt_bsp::{power, println, start};

mod check;
mod clock;
mod console;
mod errors;
mod idle;
mod irq;
mod nesting;
mod ports;
mod processor;
mod settings;
mod start_info;
mod storm;
mod ticks;
mod tidy;
mod timer;

use check::{Check, Problem};

const CHECKS: [&[Check]; 11] = [
    start_info::CHECKS,
    console::CHECKS,
    clock::CHECKS,
    irq::CHECKS,
    nesting::CHECKS,
    timer::CHECKS,
    idle::CHECKS,
    storm::CHECKS,
    processor::CHECKS,
    ports::CHECKS,
    errors::CHECKS,
];

/// The guest's main function: does what the command line asks for.
#[must_use]
pub fn main() -> i32 {
    let mut words = start::arguments();
    match words.next() {
        None | Some("all") if settings::read(start::arguments().skip(1)) => all(),
        Some("exit") => match words.next().map(str::parse) {
            Some(Ok(code)) => {
                println!("conformance: exit {code}");
                power::exit(code)
            }
            _ => usage(),
        },
        Some("reset") => {
            println!("conformance: reset");
            power::reset()
        }
        Some("fatal") => power::fatal(format_args!("conformance"), 7),
        _ => usage(),
    }
}

fn usage() -> i32 {
    println!("usage: conformance [all [--verbose] [--late-ms N] | exit N | reset | fatal]");
    2
}

/// Every check; 0 if none failed.
fn all() -> i32 {
    let (mut ok, mut not_offered, mut failed) = (0, 0, 0);
    for (name, check) in CHECKS.into_iter().flatten() {
        settings::note(format_args!("{name}"));
        match check() {
            Ok(()) => {
                ok += 1;
                println!("{name} ... ok");
            }
            Err(Problem::NotOffered(reason)) => {
                not_offered += 1;
                println!("{name} ... not offered: {reason}");
            }
            Err(Problem::Failed(detail)) => {
                failed += 1;
                println!("{name} ... FAILED: {detail}");
                tidy::up();
            }
        }
    }
    println!("conformance: {ok} ok, {not_offered} not offered, {failed} failed");
    i32::from(failed > 0)
}
