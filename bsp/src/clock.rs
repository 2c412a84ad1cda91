// SPDX-License-Identifier: MIT OR Apache-2.0
//! Monotonic and wall-clock time.
//!
//! The monotonic clock is read from the vCPU page and the processor's time-stamp counter, without a host call, where the
//! host keeps the page's clock; else the host is asked.

use crate::interface;

/// Monotonic time since the guest's start, in ns. It never steps back.
#[inline]
#[must_use]
pub fn now() -> u64 {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if let Some(now) = page::now() {
        return now;
    }
    // SAFETY: no arguments.
    unsafe { interface::pv_clock_now() }
}

/// Unix time in ns.
#[must_use]
pub fn wall() -> u64 {
    // SAFETY: no arguments.
    unsafe { interface::pv_clock_wall() }
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod page {
    use core::sync::atomic::{Ordering, compiler_fence};

    use paravirt_abi::vcpu::ClockFlags;
    use volatile::map_field;

    use crate::vcpu;

    /// The clock of the vCPU page at this moment, or `None` if the host does not keep it.
    ///
    /// The host writes the fields only while this vCPU is interrupted, so compiler fences suffice; the sequence number tells
    /// a reader that was interrupted.
    #[inline]
    pub(super) fn now() -> Option<u64> {
        let clock = vcpu::clock();
        loop {
            let sequence = map_field!(clock.sequence).read();
            compiler_fence(Ordering::Acquire);
            if map_field!(clock.flags).read() & ClockFlags::VALID.bits() == 0 {
                return None;
            }
            let multiplier = map_field!(clock.multiplier).read();
            let shift = map_field!(clock.shift).read();
            let base_tsc = map_field!(clock.base_tsc).read();
            let base_ns = map_field!(clock.base_ns).read();
            let tsc = read_tsc();
            compiler_fence(Ordering::Acquire);
            if sequence & 1 == 0 && map_field!(clock.sequence).read() == sequence {
                return Some(base_ns.wrapping_add(scale(
                    tsc.saturating_sub(base_tsc),
                    shift,
                    multiplier,
                )));
            }
        }
    }

    #[inline]
    fn read_tsc() -> u64 {
        #[cfg(target_arch = "x86")]
        use core::arch::x86::_rdtsc;
        #[cfg(target_arch = "x86_64")]
        use core::arch::x86_64::_rdtsc;
        // SAFETY: every processor this layer runs on has the counter; a host that forbids it does not set VALID.
        unsafe { _rdtsc() }
    }

    /// `(cycles << shift) * multiplier >> 32`, as the clock of the vCPU page is defined, without a 128-bit product.
    #[inline]
    pub(super) fn scale(cycles: u64, shift: i32, multiplier: u32) -> u64 {
        let cycles = if shift < 0 {
            cycles >> (shift.unsigned_abs() & 63)
        } else {
            cycles << (shift.unsigned_abs() & 63)
        };
        let high = (cycles >> 32) * u64::from(multiplier);
        let low = ((cycles & 0xffff_ffff) * u64::from(multiplier)) >> 32;
        high.wrapping_add(low)
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::page::scale;

    #[test]
    fn scaling_is_the_128_bit_product() {
        for cycles in [0, 1, 0xffff_ffff, 0x1_0000_0001, 0x00ff_ffff_ffff_ffff] {
            for (shift, multiplier) in [(0, u32::MAX), (-3, 0x5555_5555), (1, 0x8000_0001), (2, 1)]
            {
                let shifted = if shift < 0 {
                    cycles >> -shift
                } else {
                    cycles << shift
                };
                let exact = (u128::from(shifted) * u128::from(multiplier)) >> 32;
                assert_eq!(u128::from(scale(cycles, shift, multiplier)), exact);
            }
        }
    }
}
