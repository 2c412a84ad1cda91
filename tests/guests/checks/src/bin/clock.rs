// SPDX-License-Identifier: MIT OR Apache-2.0
//! Prints the clocks that its host gives it: `clock`, or `clock page` to wait for the clock of the vCPU page as well, or
//! `clock set` to wait until the wall clock is set.
//!
//! What they should show, only somebody outside knows.
#![no_std]
#![no_main]

use guest_checks::SECOND;
use paravirt_bsp::abi::start::Features;
use paravirt_bsp::abi::vcpu::ClockFlags;
use paravirt_bsp::clock::since_unix_epoch;
use paravirt_bsp::interface::pv_clock_now;
use paravirt_bsp::{println, start, vcpu};
use volatile::map_field;

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen] }

/// Anchors of the page's clock that are waited for, the first one included.
const ANCHORS: u32 = 4;
/// For so long in ns, by the host's own clock: many times what the interface allows.
const LIMIT: u64 = 10 * SECOND;

fn main() -> i32 {
    let at_start = start::info().map_or(0, |info| info.wall_clock);
    println!("at start: {at_start}");
    println!("wall: {}", since_unix_epoch().as_nanos());
    let is_well = match start::arguments().next() {
        Some("page") => page_is_kept(),
        Some("set") => wall_clock_is_set(),
        _ => true,
    };
    i32::from(!is_well)
}

/// Returns whether somebody sets the wall clock by more than a minute, soon.
fn wall_clock_is_set() -> bool {
    const FAR: u64 = 60 * SECOND;
    let ahead = || since_unix_epoch().as_nanos() as u64 - pv_clock_now();
    let (first, end) = (ahead(), pv_clock_now() + LIMIT);
    while pv_clock_now() < end {
        let now = ahead();
        if now.abs_diff(first) > FAR {
            println!("the wall clock is set by {} s", (now - first) / SECOND);
            return true;
        }
    }
    println!("the wall clock is not set");
    false
}

/// Returns whether the host says that it keeps the page's clock, makes it valid, and anchors it again and again.
fn page_is_kept() -> bool {
    let features = start::info().map_or(Features::empty(), |info| Features::from_bits_retain(info.features));
    if !features.contains(Features::CLOCK_TSC) {
        println!("the page's clock is not announced");
        return false;
    }
    let page = vcpu::page();
    let clock = map_field!(page.clock);
    let end = pv_clock_now() + LIMIT;
    let (mut anchors, mut last) = (0, 0);
    while anchors < ANCHORS {
        let sequence = map_field!(clock.sequence).read();
        let is_valid = map_field!(clock.flags).read() & ClockFlags::VALID.bits() != 0;
        if sequence & 1 != 0 {
            println!("the page's clock is seen in the middle of a change");
            return false;
        }
        if is_valid && sequence != last {
            (anchors, last) = (anchors + 1, sequence);
        }
        if pv_clock_now() > end {
            println!("the page's clock: {anchors} anchors");
            return false;
        }
    }
    println!("the page's clock is kept");
    true
}
