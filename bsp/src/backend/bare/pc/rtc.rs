// SPDX-License-Identifier: MIT OR Apache-2.0
//! The battery-backed clock (Motorola MC146818 data sheet), which is taken to hold UTC.

use crate::ring0::port::Port;

const INDEX: Port = port(0x70);
const DATA: Port = port(0x71);

/// Registers.
const SECONDS: u8 = 0;
const MINUTES: u8 = 2;
const HOURS: u8 = 4;
const DAY: u8 = 7;
const MONTH: u8 = 8;
const YEAR: u8 = 9;
const STATUS_A: u8 = 0x0a;
const STATUS_B: u8 = 0x0b;
/// Where PCs have the century.
const CENTURY: u8 = 0x32;

/// Status A: the time is being changed.
const UPDATING: u8 = 1 << 7;
/// Status B: 24 hours, not 12; binary, not decimal digits.
const HOURS_24: u8 = 1 << 1;
const BINARY: u8 = 1 << 2;
/// Hours: afternoon, where there are 12.
const AFTERNOON: u8 = 1 << 7;

/// Reads that are tried until two agree; where no clock is, all agree.
const ATTEMPTS: u32 = 100_000;

const fn port(number: u16) -> Port {
    // SAFETY: of the clock, which touches no memory. It is this module's.
    unsafe { Port::new(number) }
}

/// The registers of the time, as they are.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Raw {
    second: u8,
    minute: u8,
    hour: u8,
    day: u8,
    month: u8,
    year: u8,
    century: u8,
}

/// Unix time in seconds; 0 if the clock holds no date.
pub(in super::super) fn read() -> u64 {
    let mut raw = read_raw();
    for _ in 0..ATTEMPTS {
        if register(STATUS_A) & UPDATING == 0 {
            let again = read_raw();
            if again == raw {
                break;
            }
            raw = again;
        }
    }
    seconds(raw, register(STATUS_B)).unwrap_or(0)
}

fn register(index: u8) -> u8 {
    INDEX.out8(index);
    DATA.in8()
}

fn read_raw() -> Raw {
    Raw {
        second: register(SECONDS),
        minute: register(MINUTES),
        hour: register(HOURS),
        day: register(DAY),
        month: register(MONTH),
        year: register(YEAR),
        century: register(CENTURY),
    }
}

fn seconds(raw: Raw, status: u8) -> Option<u64> {
    let number = |value: u8| {
        u64::from(if status & BINARY != 0 {
            value
        } else {
            (value >> 4) * 10 + (value & 15)
        })
    };
    let hour = if status & HOURS_24 != 0 {
        number(raw.hour)
    } else {
        let afternoon = if raw.hour & AFTERNOON != 0 { 12 } else { 0 };
        number(raw.hour & !AFTERNOON) % 12 + afternoon
    };
    // A clock without a century register is one of this century.
    let century = match number(raw.century) {
        century @ 19..=21 => century,
        _ => 20,
    };
    let days = days(century * 100 + number(raw.year), number(raw.month), number(raw.day))?;
    Some(((days * 24 + hour) * 60 + number(raw.minute)) * 60 + number(raw.second))
}

/// Days from 1970 to that date.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that begin in March have the leap day at their end, and months that follow one rule (30.6 days on average).
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let from_year_0 = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    /// 1970-01-01 counted that way.
    const EPOCH: u64 = 719_468;
    from_year_0.checked_sub(EPOCH)
}
