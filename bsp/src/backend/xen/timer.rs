// SPDX-License-Identifier: MIT OR Apache-2.0
//! Clocks from the time in the shared page, without a hypercall, and the one-shot timer behind all timers.

use core::sync::atomic::{AtomicU64, Ordering, compiler_fence};

use paravirt_abi::vcpu::cycles_to_ns;

use super::{hypercall, shared};
use crate::backend::timers;
use crate::clock::counter;
use crate::local::Local;

crate::in_guest_functions! { pub(super) const FUNCTIONS = { pv_clock_now = now, pv_clock_wall = wall }; }

const NS_PER_SECOND: u64 = 1_000_000_000;

/// System time at the guest's start, in ns.
static ZERO: Local<u64> = Local::new(0);
/// The latest time that was given out, in ns of guest time.
static LATEST: AtomicU64 = AtomicU64::new(0);

static SOURCE: timers::Source = timers::Source { now, arm };

/// Xen's time is signed: a deadline beyond its end would have passed already.
fn arm(deadline: u64) {
    let deadline = deadline.saturating_add(ZERO.get());
    if i64::try_from(deadline).is_ok() {
        hypercall::set_timer(deadline);
    } else {
        hypercall::stop_timer();
    }
}

/// Begins guest time. Called when the shared page is there.
pub(super) fn start() {
    // SAFETY: at the start, before the first interrupt.
    unsafe { ZERO.set_large(system_time()) };
    // SAFETY: they read the shared page and make a hypercall.
    unsafe { timers::set_source(&SOURCE) };
}

/// Body of `pv_clock_now`.
pub(super) extern "C" fn now() -> u64 {
    let now = system_time().wrapping_sub(ZERO.get());
    // Xen's correction of the clock may step back by some ns, and a handler may read between this read and its use.
    now.max(LATEST.fetch_max(now, Ordering::Relaxed))
}

/// Body of `pv_clock_wall`.
pub(super) extern "C" fn wall() -> u64 {
    let (seconds, ns) = shared::PAGE.wall_start();
    seconds
        .wrapping_mul(NS_PER_SECOND)
        .wrapping_add(ns)
        .wrapping_add(system_time())
}

/// Time since Xen's start, in ns.
#[inline]
fn system_time() -> u64 {
    let time = &shared::PAGE.vcpu.time;
    loop {
        let version = time.version.load(Ordering::Acquire);
        // A young domain's counter has been set back, so Xen's last change may lie before the counter's zero.
        // It needs no fence around it: Xen changes the fields only while this processor runs Xen.
        let cycles = (counter().wrapping_sub(time.tsc.read()) as i64).max(0) as u64;
        let passed = cycles_to_ns(cycles, time.shift.read().into(), time.multiplier.read());
        let now = time.system_time.read().wrapping_add(passed);
        compiler_fence(Ordering::Acquire);
        if version & 1 == 0 && time.version.load(Ordering::Relaxed) == version {
            return now;
        }
    }
}
