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

use check::{Outcome, Problem};

/// A check and what it checks.
type Check = (&'static str, fn() -> Outcome);

const CHECKS: [Check; 40] = [
    ("start: the block is of this ABI", start_info::block),
    ("start: command line", start_info::command_line),
    (
        "start: memory is sorted and apart from the image",
        start_info::memory_map,
    ),
    ("start: memory is there at both ends", start_info::memory_ends),
    ("console: a long line", console::long_line),
    ("console: from a handler", console::from_a_handler),
    ("console: input, a few bytes for each interrupt", console::input),
    ("console: input, all eight bits", console::eight_bits),
    ("clock: never steps back", clock::monotonic),
    ("clock: page and host agree", clock::page_and_host),
    ("clock: wall clock", clock::wall),
    ("irq: a raise runs the handler before it returns", irq::raise),
    ("irq: nothing comes while interrupts are off", irq::off),
    ("irq: a masked line latches", irq::masked),
    ("irq: masking withdraws what is pending", irq::withdrawn),
    ("irq: a detached line is silent", irq::detached),
    ("irq: the lowest line goes first", irq::order),
    ("irq: every line", irq::every_line),
    ("irq: a line without a handler is counted", irq::spurious),
    ("irq: other lines nest in a handler", nesting::other_lines),
    ("irq: a line does not nest in itself", nesting::same_line),
    ("timer: interrupts code that makes no call", timer::interrupts),
    ("timer: 1,000 ticks at 1 kHz, counted by the clock", ticks::thousand),
    ("timer: a first time unlike the period", ticks::first_and_period),
    ("timer: two at once", ticks::two),
    ("timer: all at once", ticks::all),
    ("timer: once, not early and not late", timer::once),
    ("timer: stop and start again", timer::stop_and_start),
    ("timer: a start replaces the one before", timer::restart),
    ("timer: its handler is told of each expiration", timer::told),
    ("idle: ends at once if a line is pending", idle::pending),
    ("idle: ends by an interrupt, handler run", idle::interrupt),
    ("idle: no wake-up is lost", idle::none_lost),
    ("idle: sleeps", idle::sleeps),
    ("storm: 10,000 raises", storm::raises),
    ("storm: timers and a software line", storm::timers),
    ("processor: registers and FPU survive interrupts", processor::registers),
    ("processor: thread-local storage", processor::thread_local_storage),
    ("ports: out and in", ports::out_and_in),
    ("errors: numbers", errors::numbers),
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
    for (name, check) in CHECKS {
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
