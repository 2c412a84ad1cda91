// SPDX-License-Identifier: MIT OR Apache-2.0
//! Idle: the vCPU's thread sleeps until a line is pending.

use super::signals;
use super::state::STATE;
use super::timers::monotonic;
use super::vcpu::Vcpu;

/// Sleeps until a line is pending or the guest is to be left. Signals are blocked from the look at what is pending until the
/// sleep, so no wake-up is lost between.
pub(super) fn idle(vcpu: &Vcpu) {
    let start = monotonic();
    signals::with_blocked(|wait| {
        vcpu.lines().flush(vcpu.page.pending());
        while !vcpu.page.is_pending() && !STATE.stopping() {
            wait();
            vcpu.lines().flush(vcpu.page.pending());
        }
    });
    vcpu.idles.set(vcpu.idles.get() + 1);
    let slept = monotonic() - start;
    vcpu.idle_ns.set(vcpu.idle_ns.get() + slept);
}
