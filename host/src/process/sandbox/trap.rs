// SPDX-License-Identifier: MIT OR Apache-2.0
//! System calls that were stopped: those of the guest end it with a report, those of the host fail and are reported.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use paravirt_host_core::explain::{CallSite, SystemCallTable};
use paravirt_host_core::guest::Platform;
use paravirt_host_core::layout::GUEST_END;

use super::super::context::Interrupted;
use super::super::fault;
use super::super::platform::{Guest, Host};
use super::filter::AUDIT_ARCH_X86_64;

/// First address of the page with the system calls of old (Linux, x86/x86_64/mm.rst).
const VSYSCALL: u64 = 0xffff_ffff_ff60_0000;

/// In a number, that it is one of the x32 ABI (Linux, asm/unistd.h).
const X32: u32 = 0x4000_0000;

/// What the kernel says of a system call with SIGSYS; the end of `siginfo_t`'s beginning.
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
pub(in crate::process) fn handle(
    call: Stopped,
    interrupted: &mut Interrupted<'_>,
    guest: Option<&Guest>,
) {
    let Some(guest) = guest else {
        return refuse(call, interrupted);
    };
    let (number, table) = if call.architecture == AUDIT_ARCH_X86_64 {
        match call.number & !X32 {
            number if number == call.number => (number, SystemCallTable::X86_64),
            number => (number, SystemCallTable::X32),
        }
    } else {
        (call.number, SystemCallTable::I386)
    };
    let mut frame = interrupted.frame();
    let is_32_bit = Host::CODE_32.map(u64::from) == Some(frame.code_selector);
    let address = call.address;
    let site = if guest.in_host() {
        CallSite::Function(address)
    } else if address < GUEST_END {
        CallSite::Guest(address)
    } else if is_32_bit {
        // Where 32-bit code cannot be: it is where the kernel returns to from a fast call.
        CallSite::Lost
    } else if address >= VSYSCALL {
        CallSite::Vsyscall(address)
    } else {
        CallSite::Host(address)
    };
    if guest.system_call(&mut frame, interrupted.general(), number, table, site) {
        interrupted.resume(&frame);
    } else {
        interrupted.set_result(-i64::from(libc::ENOSYS));
    }
}

/// Lets a call of host code outside of a guest's run fail. The first one is told, since the host has forgotten a row of its table.
fn refuse(call: Stopped, interrupted: &mut Interrupted<'_>) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.swap(true, Ordering::SeqCst) {
        fault::report_refused_call(call.number, call.address);
    }
    interrupted.set_result(-i64::from(libc::ENOSYS));
}

/// Stays in charge of calls that the filter stops on this thread when the guest has ended, unless somebody else is.
pub(in crate::process) fn stay() {
    let mut before = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: all zeros is a valid value of this C struct, here and above, and both are live.
    unsafe {
        libc::sigaction(libc::SIGSYS, ptr::null(), before.as_mut_ptr());
        if before.assume_init().sa_sigaction != libc::SIG_DFL {
            return;
        }
        let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
        action.sa_sigaction = pv_refuse as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaction(libc::SIGSYS, &action, ptr::null_mut());
    }
}

/// # Safety
/// For the kernel.
unsafe extern "C" fn pv_refuse(_: i32, info: *const c_void, context: *mut libc::ucontext_t) {
    /// Of what is only in a SIGSYS (Linux, asm-generic/siginfo.h).
    const OFFSET: usize = 16;
    // SAFETY: the kernel passes both, and both live until the handler returns.
    let (call, mut interrupted) = unsafe {
        let call = info.byte_add(OFFSET).cast::<Stopped>().read();
        (call, Interrupted(&mut *context))
    };
    refuse(call, &mut interrupted);
}
