// SPDX-License-Identifier: MIT OR Apache-2.0
//! The clock of the vCPU page, kept by the guest itself: for backends whose processor has a counter of constant rate
//! that every guest may read, the time-stamp counter on x86, the virtual counter on AArch64.

use core::ops::RangeInclusive;
use core::sync::atomic::{Ordering, compiler_fence};

use paravirt_abi::vcpu::{ClockFlags, cycles_to_ns};
use volatile::map_field;

use crate::clock::counter;
use crate::vcpu;

/// Slowest and fastest rate of a counter that is believed, in Hz.
pub const RATES: RangeInclusive<u64> = 1_000_000..=20_000_000_000;

/// Shift and multiplier of the vCPU page's clock for a counter of `rate` Hz.
fn scale(rate: u64) -> (i32, u32) {
    // ns per cycle as a fraction of 2^32, moved until the multiplier has its top bit set and fits.
    let mut shift = 0;
    let mut numerator = 1_000_000_000_u64;
    let mut denominator = rate;
    while numerator >= denominator {
        denominator <<= 1;
        shift += 1;
    }
    while numerator << 1 < denominator {
        numerator <<= 1;
        shift -= 1;
    }
    // The quotient times 2^32. At the believed rates the numerator has 35 bits at most, so that the denominator loses
    // three.
    let bits = numerator.leading_zeros().min(32);
    let multiplier = (numerator << bits) / (denominator >> (32 - bits));
    (shift, u32::try_from(multiplier).unwrap_or(u32::MAX))
}

/// Starts the guest's clock, at 0, on a counter of `rate` Hz, 1 MHz to 20 GHz; another rate is taken for the next of
/// these.
pub fn start_clock(rate: u64) {
    let (shift, multiplier) = scale(rate.clamp(*RATES.start(), *RATES.end()));
    let clock = vcpu::clock();
    let sequence = map_field!(clock.sequence);
    sequence.write(sequence.read().wrapping_add(1));
    compiler_fence(Ordering::Release);
    map_field!(clock.shift).write(shift);
    map_field!(clock.multiplier).write(multiplier);
    map_field!(clock.base_tsc).write(counter());
    map_field!(clock.base_ns).write(0);
    map_field!(clock.flags).write(ClockFlags::VALID.bits());
    compiler_fence(Ordering::Release);
    sequence.write(sequence.read().wrapping_add(1));
}

/// The guest's clock in ns. It is never changed after its start, so no sequence number is looked at.
pub fn now() -> u64 {
    let clock = vcpu::clock();
    let cycles = counter().saturating_sub(map_field!(clock.base_tsc).read());
    cycles_to_ns(
        cycles,
        map_field!(clock.shift).read(),
        map_field!(clock.multiplier).read(),
    )
}
