// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interrupting the guest: where a signal handler returns to.

use paravirt_host_core::upcall;

use super::context::Interrupted;
use super::vcpu::Vcpu;

/// Enters the guest's upcall entry if a line is pending, interrupts are on and guest code was interrupted.
pub(super) fn deliver(vcpu: &Vcpu, interrupted: &mut Interrupted<'_>) {
    if !interrupted.in_guest(vcpu.width) {
        return;
    }
    match upcall::deliver(vcpu.page, &vcpu.memory, vcpu.width, &interrupted.frame()) {
        Ok(None) => {}
        Ok(Some(upcall)) => {
            vcpu.count_upcall();
            interrupted.redirect(upcall.instruction, upcall.stack);
        }
        Err(cause) => vcpu.guest_fault(interrupted, cause),
    }
}
