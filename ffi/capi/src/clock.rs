// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<paravirt/clock.h>`.

use paravirt_bsp::clock;

/// Monotonic time since the guest's start, in ns.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_clock_now() -> u64 {
    clock::now()
}

/// Unix time in ns.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_clock_wall() -> u64 {
    clock::wall()
}
