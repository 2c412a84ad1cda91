// SPDX-License-Identifier: MIT OR Apache-2.0
//! Monotonic and wall-clock time.
//!
//! The monotonic clock is read from the vCPU page and the processor's counter, without a host call, where
//! the host keeps the page's clock; else the host is asked.
//!
//! ```no_run
//! use paravirt_bsp::clock::{self, Instant};
//! use paravirt_bsp::println;
//!
//! fn run() {
//!     let begin = Instant::now();
//!     println!("{} s of Unix time", clock::since_unix_epoch().as_secs());
//!     println!("said in {} us", begin.elapsed().as_micros());
//! }
//! # fn main() {}
//! ```

use core::ops::{Add, AddAssign, Sub};
use core::time::Duration;

use crate::interface;

/// A moment of the guest's monotonic clock, which begins at the guest's start and never steps back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// This moment.
    #[inline]
    #[must_use]
    pub fn now() -> Self {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64"))]
        if let Some(now) = page::now() {
            return Self(now);
        }
        Self(interface::pv_clock_now())
    }

    /// The moment `ns` nanoseconds after the guest's start.
    #[must_use]
    pub const fn from_nanos(ns: u64) -> Self {
        Self(ns)
    }

    /// Nanoseconds since the guest's start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time that has passed since this moment; zero if it is still to come.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now() - self
    }

    /// The time from `earlier` to this moment; zero if that is later.
    #[must_use]
    pub const fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The moment after `duration`, if it can be represented.
    #[must_use]
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        let ns = u64::try_from(duration.as_nanos()).ok()?;
        self.0.checked_add(ns).map(Self)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// The last moment there is, some 584 years after the start, if the sum is later.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(ns(duration)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// The guest's start if the difference is earlier.
    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(ns(duration)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// As [`Instant::duration_since`].
    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

/// Time since the beginning of 1970 (UTC), as the host knows it. It may be set, so it may step.
#[must_use]
pub fn since_unix_epoch() -> Duration {
    Duration::from_nanos(interface::pv_clock_wall())
}

/// A duration in ns; the longest there is, if it is longer than that.
pub(crate) const fn ns(duration: Duration) -> u64 {
    const NS_PER_S: u64 = 1_000_000_000;
    duration
        .as_secs()
        .saturating_mul(NS_PER_S)
        .saturating_add(duration.subsec_nanos() as u64)
}

/// The counter of the vCPU page's clock: the time-stamp counter on x86, the virtual counter on AArch64.
#[cfg(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64"))]
#[inline]
pub(crate) fn counter() -> u64 {
    #[cfg(target_arch = "x86")]
    use core::arch::x86::_rdtsc;
    #[cfg(target_arch = "x86_64")]
    use core::arch::x86_64::_rdtsc;
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    // SAFETY: every processor this layer runs on has the counter; a host that forbids it does not set VALID.
    unsafe {
        _rdtsc()
    }
    #[cfg(target_arch = "aarch64")]
    {
        let count;
        // SAFETY: reads a counter; a host that forbids it does not set VALID. The processor may read it before what
        // precedes is done, hence the barrier. Not `nomem`: what the caller reads before is read before.
        unsafe { core::arch::asm!("isb", "mrs {}, cntvct_el0", out(reg) count, options(nostack, preserves_flags)) };
        count
    }
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64"))]
mod page {
    use core::sync::atomic::{Ordering, compiler_fence};

    use paravirt_abi::vcpu::{ClockFlags, cycles_to_ns};
    use volatile::map_field;

    use crate::vcpu;

    /// The clock of the vCPU page at this moment, or `None` if the host does not keep it.
    ///
    /// The host writes the fields only while this vCPU is interrupted, so compiler fences suffice; the sequence number
    /// tells a reader that was interrupted.
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
            let tsc = super::counter();
            compiler_fence(Ordering::Acquire);
            if sequence & 1 == 0 && map_field!(clock.sequence).read() == sequence {
                return Some(base_ns.wrapping_add(cycles_to_ns(tsc.saturating_sub(base_tsc), shift, multiplier)));
            }
        }
    }
}
