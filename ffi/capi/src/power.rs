// SPDX-License-Identifier: MIT OR Apache-2.0
//! `<paravirt/power.h>`.

use paravirt_bsp::abi::shutdown::Reason;
use paravirt_bsp::power;

/// Ends the guest; a `reason` that is none of `PV_SHUTDOWN_*` counts as fatal.
#[unsafe(no_mangle)]
pub extern "C" fn paravirt_power_shutdown(reason: u32, code: i32) -> ! {
    power::shutdown(Reason::from_number(reason).unwrap_or(Reason::Fatal), code)
}
