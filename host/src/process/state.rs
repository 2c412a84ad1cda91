// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the signal entry, which is assembly, and handlers on any thread find without a guest.
//!
//! One guest runs at a time in a process: images are linked at fixed addresses, and signal handlers belong to the whole process anyway.

use std::mem::offset_of;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use super::platform::Guest;

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
    /// The guest of that thread, from before it is entered until after it was left; null if there is none.
    pub(super) guest: AtomicPtr<Guest>,
}

/// The one instance.
pub(super) static STATE: State = State {
    host_fs: AtomicU64::new(0),
    fsgsbase: AtomicU32::new(0),
    signal_stack: AtomicU64::new(0),
    signal_stack_end: AtomicU64::new(0),
    thread: AtomicI32::new(0),
    guest: AtomicPtr::new(ptr::null_mut()),
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

    /// The guest. On the vCPU's thread.
    pub(super) fn guest(&self) -> Option<&Guest> {
        // SAFETY: a guest that outlives its run; it is set and cleared by this thread, which is not at the end of that meanwhile.
        unsafe { self.guest.load(Ordering::SeqCst).as_ref() }
    }
}

pub(super) const HOST_FS: usize = offset_of!(State, host_fs);
pub(super) const FSGSBASE: usize = offset_of!(State, fsgsbase);
pub(super) const SIGNAL_STACK: usize = offset_of!(State, signal_stack);
pub(super) const SIGNAL_STACK_END: usize = offset_of!(State, signal_stack_end);
