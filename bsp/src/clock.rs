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

    use paravirt_abi::vcpu::{ClockFlags, cycles_to_ns};
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
                return Some(base_ns.wrapping_add(cycles_to_ns(
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
}
