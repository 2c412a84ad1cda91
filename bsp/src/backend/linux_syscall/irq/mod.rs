// SPDX-License-Identifier: MIT OR Apache-2.0
//! The signals behind the lines.

use paravirt_abi::line;

use super::console;
use super::syscall::{
    __paravirt_linux_restore, ACTION_FLAGS, RT_SIGACTION, RT_SIGPROCMASK, SIG_UNBLOCK, SIGALTSTACK, SIGNAL_CONSOLE,
    SIGNAL_TIMER, SIGNALS, SignalAction, SignalStack, syscall3, syscall4,
};
use crate::backend::entry::{self, Return};
use crate::backend::{lines, timers};

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
mod x86;

#[cfg(target_arch = "aarch64")]
use aarch64::handle;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use x86::handle;

/// Unblocks the signals.
pub(super) fn open() {
    let set = SIGNALS;
    // SAFETY: a set of 8 bytes, which lives through the call.
    unsafe { syscall4(RT_SIGPROCMASK, SIG_UNBLOCK, &raw const set as usize, 0, 8) };
}

/// Bytes of the stack for signals, beside the interrupted one. What the kernel puts there depends on the processor: 3
/// KiB with AVX-512, 11 KiB with AMX, where a stack of the guest may have 4 KiB. And there the frame of an upcall would
/// overwrite it, before the kernel takes the registers from it. The signals are blocked in their handler, so one stack
/// is enough.
pub(super) const STACK: usize = 64 << 10;

/// Has signals come on the stack that begins there.
pub(super) fn set_stack(start: usize) {
    let stack = SignalStack {
        start,
        flags: 0,
        size: STACK,
    };
    // SAFETY: memory that nobody else uses; the description lives through the call.
    unsafe { syscall3(SIGALTSTACK, &raw const stack as usize, 0, 0) };
}

/// Installs the handler of both signals.
pub(super) fn start() {
    lines::set_source(|line, unmasked| {
        if line == line::CONSOLE && unmasked {
            console::announce_input();
        }
    });
    let action = SignalAction {
        handler: handle,
        flags: ACTION_FLAGS,
        restorer: __paravirt_linux_restore,
        mask: SIGNALS,
    };
    for signal in [SIGNAL_TIMER, SIGNAL_CONSOLE] {
        // SAFETY: the kernel's sigaction with a set of 8 bytes, which lives through the call.
        unsafe { syscall4(RT_SIGACTION, signal as usize, &raw const action as usize, 0, 8) };
    }
}

/// The beginning of the signal handler: marks the line, and says how to leave.
#[inline]
fn take(signal: u32) -> Return {
    if signal == SIGNAL_TIMER {
        // SAFETY: the entry of signals.
        unsafe { timers::expire() };
    } else {
        lines::signal(line::CONSOLE);
    }
    entry::leave()
}
