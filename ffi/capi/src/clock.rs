// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<paravirt/clock.h>`.

use paravirt_bsp::clock::Instant;
use paravirt_bsp::interface;

/// Monotonic time since the guest's start, in ns.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_clock_now() -> u64 {
    Instant::now().as_nanos()
}

/// Unix time in ns.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_clock_wall() -> u64 {
    interface::pv_clock_wall()
}
