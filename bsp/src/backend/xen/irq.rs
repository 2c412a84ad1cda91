// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's interrupt flag: the event mask of a PV domain, the processor's IF of a PVH domain.

use core::sync::atomic::Ordering;

use paravirt_abi::vcpu::HOST_MASKED;

use super::events;
use super::shared::PAGE;
use crate::vcpu;

/// Masks events, for the vCPU as a whole.
pub(super) fn close() {
    PAGE.vcpu.upcall_mask.store(1, Ordering::SeqCst);
    mark_closed();
}

/// Notes that events are masked, for the test at the end of turning interrupts on.
fn mark_closed() {
    vcpu::pending().fetch_or(HOST_MASKED, Ordering::Relaxed);
}

/// Unmasks events. What came while they were masked is taken here: Xen does not deliver it by itself.
///
/// Called with the virtual interrupt flag off and events masked, by [`crate::irq::dispatch`] or at the end of idle.
pub(super) fn open() {
    loop {
        events::take();
        // A locked instruction: the mask is open before the flag is read. Xen sets the flag before it reads the mask.
        PAGE.vcpu.upcall_mask.swap(0, Ordering::SeqCst);
        if PAGE.vcpu.upcall_pending.load(Ordering::SeqCst) == 0 {
            break;
        }
        PAGE.vcpu.upcall_mask.store(1, Ordering::SeqCst);
    }
    events::report_stray();
}

/// What the callback calls when it finds the virtual interrupt flag off; events stay masked behind it.
pub(super) extern "C" fn take_masked() {
    events::take();
    mark_closed();
}
