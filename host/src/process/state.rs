// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the signal entry, which is assembly, and handlers on any thread find without a guest.
//!
//! One guest runs at a time in a process: images are linked at fixed addresses, and signal handlers belong to the whole process anyway.

use std::mem::offset_of;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64};

use super::host::Guest;

/// The shared words.
#[repr(C)]
pub(super) struct State {
    /// The host's fs base on the vCPU's thread.
    pub(super) host_fs: AtomicU64,
    /// Whether user mode may read and write fs and gs base.
    pub(super) fsgsbase: AtomicU32,
    /// First address of the vCPU thread's signal stack.
    pub(super) signal_stack: AtomicU64,
    /// First address behind it.
    pub(super) signal_stack_end: AtomicU64,
    /// The vCPU's thread, 0 if no guest runs.
    pub(super) thread: AtomicI32,
}

/// The one instance.
pub(super) static STATE: State = State {
    host_fs: AtomicU64::new(0),
    fsgsbase: AtomicU32::new(0),
    signal_stack: AtomicU64::new(0),
    signal_stack_end: AtomicU64::new(0),
    thread: AtomicI32::new(0),
};

impl State {
    /// Whether the guest is to be left. On the vCPU's thread.
    pub(super) fn stopping(&self) -> bool {
        self.guest().is_some_and(Guest::is_stopping)
    }

    /// Asks for the guest to be left, as by that signal. On the vCPU's thread.
    pub(super) fn stop(&self, signal: i32) {
        if let Some(guest) = self.guest() {
            guest.stop(signal);
        }
    }

    fn guest(&self) -> Option<&Guest> {
        // SAFETY: all guests of this process are this host's, and this thread is not at the end of one meanwhile.
        unsafe { Guest::current() }
    }
}

pub(super) const HOST_FS: usize = offset_of!(State, host_fs);
pub(super) const FSGSBASE: usize = offset_of!(State, fsgsbase);
pub(super) const SIGNAL_STACK: usize = offset_of!(State, signal_stack);
pub(super) const SIGNAL_STACK_END: usize = offset_of!(State, signal_stack_end);
