// SPDX-License-Identifier: MIT OR Apache-2.0
//! System calls that were stopped: those of the guest end it with a report, those of the host fail and are reported.

use std::sync::atomic::{AtomicBool, Ordering};

use paravirt_host_core::fault::CallSite;
use paravirt_host_core::layout::GUEST_END;

use super::super::dispositions::{Action, swap_action};
use super::super::platform::Guest;
use super::super::signals::{Interrupted, SignalInfo, report};
use super::machine;

/// What the kernel says of a system call with SIGSYS.
#[derive(Clone, Copy)]
#[repr(C)]
pub(in crate::process) struct Stopped {
    /// Behind the instruction that made it, or where the kernel would have gone on.
    pub(in crate::process) address: u64,
    pub(in crate::process) number: u32,
    /// Whose numbers these are, as in linux/audit.h.
    pub(in crate::process) architecture: u32,
}

/// Handles a call that was stopped; `guest` is there on its thread while it runs.
pub(in crate::process) fn handle(call: Stopped, interrupted: &mut Interrupted<'_>, guest: Option<&Guest>) {
    let Some(guest) = guest else {
        return refuse(call, interrupted);
    };
    let (number, table) = machine::number(call);
    let mut frame = interrupted.frame();
    let address = call.address;
    let site = if guest.in_host() {
        CallSite::Function(address)
    } else if address < GUEST_END {
        CallSite::Guest(address)
    } else {
        machine::site_outside(address, &frame)
    };
    if guest.system_call(&mut frame, interrupted.guest_registers(), number, table, site) {
        interrupted.resume(&frame);
    } else {
        interrupted.set_result(-i64::from(libc::ENOSYS));
    }
}

/// Lets a call of host code outside of a guest's run fail. The first one is told, since the host has forgotten a row of
/// its table.
fn refuse(call: Stopped, interrupted: &mut Interrupted<'_>) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.swap(true, Ordering::SeqCst) {
        let Stopped { number, address, .. } = call;
        report(format_args!(
            "the sandbox does not permit system call {number} at {address:#x}, of the host's own code; it fails, and \
             the host goes on without (`--no-sandbox` permits it)"
        ));
    }
    interrupted.set_result(-i64::from(libc::ENOSYS));
}

/// Stays in charge of calls that the filter stops on this thread when the guest has ended, unless somebody else is.
pub(in crate::process) fn stay() {
    if swap_action(libc::SIGSYS, None).is_default() {
        let refuse = Action::of(pv_refuse as *const () as usize, 0, 0);
        swap_action(libc::SIGSYS, Some(&refuse));
    }
}

/// # Safety
/// For the kernel.
unsafe extern "C" fn pv_refuse(_: i32, info: *const SignalInfo, context: *mut libc::ucontext_t) {
    // SAFETY: the kernel passes both, and both live until the handler returns.
    let (call, mut interrupted) = unsafe { ((*info).call, Interrupted(&mut *context)) };
    refuse(call, &mut interrupted);
}
