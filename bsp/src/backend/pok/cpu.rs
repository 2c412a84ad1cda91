// SPDX-License-Identifier: MIT OR Apache-2.0
//! Idle.

use paravirt_abi::error::Error;

use super::syscall::{THREAD_SLEEP, call};
use super::{console, interrupt, irq, kernel, timer};
use crate::backend::entry;

crate::in_guest_functions! { pub(super) const FUNCTIONS = { pv_cpu_idle = idle, pv_cpu_set_tls = set_tls }; }

/// Longest sleep in ns. Without a timer that runs and without a wish for input nothing ends the wait at all.
const LONGEST_NS: u64 = 1_000_000_000;
/// Longest sleep in ns where input ends the wait: how late its line may come.
const INPUT_NS: u64 = 10_000_000;

/// Called with the virtual interrupt flag off. Nothing can become pending between test and sleep, because nothing
/// interrupts.
pub(super) extern "C" fn idle() {
    loop {
        irq::find();
        if entry::is_pending() {
            return;
        }
        if kernel::waits_for_interrupts() {
            interrupt::wait();
            continue;
        }
        let longest = if console::is_wanted() { INPUT_NS } else { LONGEST_NS };
        let left = timer::deadline().saturating_sub(timer::now());
        let units = left.min(longest).div_ceil(kernel::current().sleep_unit);
        // SAFETY: a number, and it fits: the longest sleep is a second.
        unsafe { call(THREAD_SLEEP, [units as u32]) };
    }
}

/// The kernel loads neither fs nor gs for a partition and has no call that would.
pub(super) extern "C" fn set_tls(_base: usize) -> i32 {
    Error::NotOffered.number()
}
