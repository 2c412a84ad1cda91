// SPDX-License-Identifier: MIT OR Apache-2.0
//! The processor's virtual counter and its timer (Arm Architecture Reference Manual, D11).

use core::arch::asm;

use super::processor::read_register;
use crate::backend::timers::NEVER;
pub use crate::page_clock::{RATES, now, start_clock};

/// `CNTV_CTL_EL0`: on, and not masked.
const ON: u64 = 1;

const NS_PER_SECOND: u64 = 1_000_000_000;

/// Rate of the counter in Hz as the firmware says; 0 if it does not.
#[must_use]
pub fn rate() -> u64 {
    read_register!("cntfrq_el0") & 0xffff_ffff
}

/// Takes the timer's interrupt back until it is set again. The timer holds its signal as long as its time has passed;
/// and what its interrupt came amid may be the setting of it, which sees that and goes on.
pub fn silence() {
    // SAFETY: as below.
    unsafe { asm!("msr cntv_ctl_el0, xzr", "isb", options(nomem, nostack, preserves_flags)) };
}

/// Sets the timer to that guest time in ns, on a counter of `rate` Hz. If it comes early,
/// [`crate::backend::timers::expire`] finds nothing due and sets it again.
///
/// The control register is written each time: Xen masks the timer in it before it hands the interrupt on.
pub fn arm(deadline: u64, rate: u64) {
    let (control, ticks) = match deadline {
        NEVER => (0, 0),
        _ => {
            let ns = deadline.saturating_sub(now());
            // The rate has 32 bits, so the second product fits.
            let whole = (ns / NS_PER_SECOND).saturating_mul(rate);
            let rest = (ns % NS_PER_SECOND * rate).div_ceil(NS_PER_SECOND);
            (ON, whole.saturating_add(rest))
        }
    };
    let compare = crate::clock::counter().saturating_add(ticks);
    // SAFETY: the virtual timer is this module's.
    unsafe {
        asm!(
            "msr cntv_cval_el0, {compare}",
            "msr cntv_ctl_el0, {control}",
            "isb",
            compare = in(reg) compare,
            control = in(reg) control,
            options(nomem, nostack, preserves_flags),
        );
    }
}
