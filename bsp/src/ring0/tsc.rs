// SPDX-License-Identifier: MIT OR Apache-2.0
//! The time-stamp counter as the guest's clock: its rate measured against the PC's timer (Intel 8254 data sheet),
//! published in the vCPU page.

use super::port::Port;
use super::processor::tsc;
pub use crate::page_clock::{RATES, now, start_clock};

/// Rate of the PC's timer in Hz.
pub const TIMER_HZ: u64 = 1_193_182;

/// The channel whose gate is software's: nothing hangs on it but the speaker.
const CHANNEL_2: Port = port(0x42);
const COMMAND: Port = port(0x43);
/// Channel 2, both bytes, mode 0: counts down once, and its output goes up at the end.
const ONE_SHOT: u8 = 0b1011_0000;
/// Read back status and count of channel 2.
const READ_BACK: u8 = 0b1100_1000;
/// Status: the output is up; the count that was written has not been taken over yet.
const OUTPUT: u8 = 1 << 7;
const NULL_COUNT: u8 = 1 << 6;
/// Gate of channel 2, and the speaker, in port B.
const PORT_B: Port = port(0x61);
const GATE: u8 = 1;
const SPEAKER: u8 = 2;

/// Ticks of the timer from the first sample to the last, 20 ms.
const DISTANCE: u16 = 23_864;
/// Samples of which the one that took the shortest time counts: the others were held up between timer and counter.
const SAMPLES: u32 = 8;
/// Attempts; one fails if the machine stood still until the timer had run out, after 55 ms. On a busy machine most may
/// fail.
const ATTEMPTS: u32 = 200;

const fn port(number: u16) -> Port {
    // SAFETY: of the PC's timer, which touches no memory. Its channel 2 is nobody else's, and a command names the
    // channel.
    unsafe { Port::new(number) }
}

/// Both clocks at about one moment.
#[derive(Clone, Copy)]
struct Sample {
    /// Time-stamp counter.
    cycles: u64,
    /// The timer's count, which goes down.
    count: u16,
}

/// Why an attempt failed.
enum Failure {
    /// The timer had run out, or the counter did not count: another attempt may do.
    Again,
    /// The timer stands still.
    StandsStill,
}

/// The rate of the time-stamp counter in Hz, or `None` if the machine's timer does not run.
pub fn measure() -> Option<u64> {
    let port_b = PORT_B.in8();
    PORT_B.out8(port_b & !SPEAKER | GATE);
    let rate = (0..ATTEMPTS).find_map(|_| match measure_once() {
        Err(Failure::Again) => None,
        done => Some(done),
    });
    PORT_B.out8(port_b);
    rate?.ok()
}

fn measure_once() -> Result<u64, Failure> {
    COMMAND.out8(ONE_SHOT);
    CHANNEL_2.out8(0xff);
    CHANNEL_2.out8(0xff);
    let first = sample().ok_or(Failure::Again)?;
    // A timer that stands still ends this by the time that passes.
    let time_limit = first.cycles.saturating_add(*RATES.end() / 10);
    let last = loop {
        // Before the sample: a machine that stands still in between may let the time pass as well.
        let is_over = tsc() > time_limit;
        let sample = sample().ok_or(Failure::Again)?;
        if first.count.wrapping_sub(sample.count) >= DISTANCE {
            break sample;
        }
        if is_over {
            return Err(Failure::StandsStill);
        }
    };
    rate(first, last).ok_or(Failure::Again)
}

/// The counter's rate by two samples in Hz, if it can be one.
fn rate(first: Sample, last: Sample) -> Option<u64> {
    let ticks = u64::from(first.count.checked_sub(last.count)?);
    let cycles = last.cycles.checked_sub(first.cycles)?;
    let rate = cycles.checked_mul(TIMER_HZ)? / ticks;
    RATES.contains(&rate).then_some(rate)
}

/// Both clocks, as close to each other as several attempts got; `None` once the timer has run out.
fn sample() -> Option<Sample> {
    let mut best: Option<(u64, Sample)> = None;
    for _ in 0..SAMPLES {
        let before = tsc();
        // This holds the count; what follows only fetches it.
        COMMAND.out8(READ_BACK);
        let after = tsc();
        let status = CHANNEL_2.in8();
        let count = u16::from_le_bytes([CHANNEL_2.in8(), CHANNEL_2.in8()]);
        if status & OUTPUT != 0 {
            return None;
        }
        let took = after.wrapping_sub(before);
        if status & NULL_COUNT == 0 && best.is_none_or(|(least, _)| took < least) {
            let cycles = before + took / 2;
            best = Some((took, Sample { cycles, count }));
        }
    }
    best.map(|(_, sample)| sample)
}
