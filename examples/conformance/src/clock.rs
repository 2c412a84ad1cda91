// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks.

use embedded_hal::delay::DelayNs;
use paravirt_bsp::abi::start::Features;
use paravirt_bsp::abi::vcpu::ClockFlags;
use paravirt_bsp::interface::pv_clock_now;
use paravirt_bsp::timer::{Delay, TICK, Timer};
use paravirt_bsp::{clock, start, vcpu};
use volatile::map_field;

use crate::check::{Check, Outcome, Problem, ensure, require};
use crate::settings::{MICROSECOND, MILLISECOND, late, note, now};

pub const CHECKS: &[Check] = &[
    ("clock: never steps back", monotonic),
    ("clock: page and host agree", page_and_host),
    ("clock: wall clock", wall),
];

/// Readings of a clock.
const READINGS: u32 = 20_000;
/// How far two readings of one time may differ.
const RESOLUTION: u64 = MILLISECOND;

/// Whichever way it is read, and with interrupts between two readings.
fn monotonic() -> Outcome {
    let ticks = Timer::new(TICK).ok_or_else(no_timer)?;
    ticks.start_ns(MILLISECOND, MILLISECOND)?;
    for (name, read) in [
        ("Instant::now", now as fn() -> u64),
        ("pv_clock_now", || pv_clock_now()),
    ] {
        let first = read();
        let mut last = first;
        for _ in 0..READINGS {
            let next = read();
            ensure!(next >= last, "{name} went from {last} to {next}");
            last = next;
        }
        ensure!(last > first, "{name} stands at {first}");
        note(format_args!("{name}: {} ns", (last - first) / u64::from(READINGS)));
    }
    ticks.stop()?;
    Ok(())
}

fn page_is_valid() -> bool {
    let page = vcpu::page();
    let clock = map_field!(page.clock);
    map_field!(clock.flags).read() & ClockFlags::VALID.bits() != 0
}

fn no_timer() -> Problem {
    Problem::failed(format_args!("no such timer"))
}

/// The clock in the vCPU page and the host's function show the same time. A host that announces the page's clock fills
/// it.
fn page_and_host() -> Outcome {
    let features = start::info().map_or(0, |info| info.features);
    if Features::from_bits_retain(features).contains(Features::CLOCK_TSC) {
        /// Time in which a host knows the rate of the counter.
        const MEASURE: u64 = 100 * MILLISECOND;
        let end = pv_clock_now() + MEASURE + late();
        while !page_is_valid() {
            ensure!(pv_clock_now() < end, "the page's clock is announced and not filled");
        }
    }
    for _ in 0..1000 {
        let before = now();
        let host = pv_clock_now();
        let after = now();
        ensure!(
            host + RESOLUTION >= before && host <= after + RESOLUTION,
            "host {host} is not between {before} and {after}"
        );
    }
    Ok(())
}

/// The wall clock, in ns of Unix time.
fn wall_now() -> u64 {
    clock::since_unix_epoch().as_nanos() as u64
}

/// A reading of the wall clock, and times before and after it.
struct Reading {
    before: u64,
    wall: u64,
    after: u64,
}

impl Reading {
    fn now() -> Self {
        Self {
            before: now(),
            wall: wall_now(),
            after: now(),
        }
    }
}

/// Later than the start, in this century, and as fast as the other clock.
fn wall() -> Outcome {
    const YEAR: u64 = 31_556_952;
    const STEP: u64 = 200 * MILLISECOND;
    /// A host may be setting its wall clock.
    const SKEW: u64 = 20 * MILLISECOND;
    require("pv_clock_wall")?;
    let year = 1970 + clock::since_unix_epoch().as_secs() / YEAR;
    ensure!((2020..2100).contains(&year), "the year is {year}");
    let at_start = start::info().map_or(0, |info| info.wall_clock);
    ensure!(at_start > 0, "no time at start");
    let mut delay = Delay::new(Timer::new(7).ok_or_else(no_timer)?);
    let first = Reading::now();
    delay.delay_ns(STEP as u32);
    let last = Reading::now();
    ensure!(first.wall >= at_start, "{} is before the start, {at_start}", first.wall);
    let wall = last.wall.wrapping_sub(first.wall);
    let (least, most) = (last.before - first.after, last.after - first.before);
    note(format_args!(
        "{} us of wall clock in {} us",
        wall / MICROSECOND,
        most / MICROSECOND
    ));
    ensure!(
        wall + SKEW >= least && wall <= most + SKEW,
        "{wall} ns of wall clock in {least} to {most} ns"
    );
    Ok(())
}
