// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads its console late: all that is typed comes while it does something else, for a second. Counts what arrives
//! before Ctrl-D or the end of the input, and says how much of it is what was typed: lines of nine digits and a line
//! feed, numbered from 0.
//!
//! What it does: with the argument `sleep` it sleeps, with `write` it writes 10,000 bytes at once, and without one it
//! calls its host. With `quiet SECONDS` it calls its host until input has come and then none for so long: however slowly
//! it is typed, beside a guest's clock that runs at another speed.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU32, Ordering};

use embedded_hal::delay::DelayNs;
use embedded_io::{Read, Write};
use guest_checks::{SECOND, now, number};
use paravirt_bsp::console::{Console, ConsoleError};
use paravirt_bsp::irq::Line;
use paravirt_bsp::timer::{Delay, Timer};
use paravirt_bsp::{println, start};

paravirt_bsp::image! { main: main, backends: [linux_syscall, bare, xen] }

/// What a terminal in raw mode sends for Ctrl-D.
const END_OF_TRANSMISSION: u8 = 4;

const TIMER: Timer = Timer::new(1).expect("there are 8 timers");

/// Of a line.
const DIGITS: usize = 9;

fn main() -> Result<(), ConsoleError> {
    println!("late: type, Ctrl-D ends");
    match start::arguments().next() {
        Some("sleep") => Delay::new(TIMER).delay_ms(1000),
        Some("write") => Console.write_all(&[b'.'; 10_000])?,
        Some("quiet") => call_until_quiet(number(1, 1) * SECOND),
        _ => {
            let end = now() + SECOND;
            while now() < end {}
        }
    }
    let mut bytes = [0; 64];
    let (mut total, mut in_order) = (0, 0);
    'input: loop {
        let length = Console.read(&mut bytes)?;
        if length == 0 {
            break;
        }
        for &byte in &bytes[..length] {
            if byte == END_OF_TRANSMISSION {
                break 'input;
            }
            in_order += usize::from(in_order == total && byte == typed(total));
            total += 1;
        }
    }
    println!("late: {total} bytes, {in_order} of them as they were typed");
    Ok(())
}

/// Calls the host until input has come, and then none for `quiet` ns.
fn call_until_quiet(quiet: u64) {
    let interrupts = AtomicU32::new(0);
    let count = |_| {
        interrupts.fetch_add(1, Ordering::Relaxed);
    };
    let wait = || {
        let (mut seen, mut end) = (0, u64::MAX);
        while now() < end {
            let come = interrupts.load(Ordering::Relaxed);
            if come != seen {
                (seen, end) = (come, now() + quiet);
            }
        }
    };
    Line::CONSOLE.attach_for(&count, wait).expect("the line is free");
}

/// The byte at that position of what is typed.
fn typed(position: usize) -> u8 {
    let (line, column) = (position / (DIGITS + 1), position % (DIGITS + 1));
    if column == DIGITS {
        return b'\n';
    }
    let digit = (column + 1..DIGITS).fold(line, |rest, _| rest / 10) % 10;
    b"0123456789"[digit]
}
