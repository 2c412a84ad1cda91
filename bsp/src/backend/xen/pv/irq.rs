// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host's interrupt flag of a PV domain: the event mask in the shared page.

use core::sync::atomic::Ordering;

use crate::backend::entry;
use crate::backend::xen::events;
use crate::backend::xen::shared::PAGE;

use super::super::hypercall;

/// Masks events.
pub(in crate::backend::xen) fn close() {
    PAGE.vcpu.upcall_mask.store(1, Ordering::SeqCst);
    entry::mark_host_closed();
}

/// Unmasks events. What came while they were masked is taken here: Xen does not deliver it by itself. Called with
/// events masked.
pub(in crate::backend::xen) fn open() {
    loop {
        events::take();
        // A locked instruction: the mask is open before the flag is read. Xen sets the flag before it reads the mask.
        PAGE.vcpu.upcall_mask.swap(0, Ordering::SeqCst);
        if PAGE.vcpu.upcall_pending.load(Ordering::SeqCst) == 0 {
            return;
        }
        PAGE.vcpu.upcall_mask.store(1, Ordering::SeqCst);
    }
}

/// What the callback calls when it finds the virtual interrupt flag off; events stay masked behind it.
pub(super) extern "C" fn take_masked() {
    events::take();
    entry::mark_host_closed();
}

/// Waits until a line is pending. Events are masked between the look and the wait, and Xen unmasks them when the wait
/// begins, so that none comes in between.
pub(in crate::backend::xen) fn wait() {
    loop {
        close();
        events::take();
        if entry::is_pending() {
            return;
        }
        hypercall::block();
    }
}
