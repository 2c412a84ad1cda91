// SPDX-License-Identifier: MIT OR Apache-2.0
//! The guest's registers in the call in which it was left, for who explains its end: kept by the assembly that leaves
//! it. A steady call knows nothing of it. For what a guest does outside of calls, its record has the registers.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::fault::Aarch64Registers;

/// What is kept.
#[repr(C)]
pub(super) struct Left {
    /// x0 to x7 and x19 to x30 in their places; what calls do not preserve is 0.
    pub(super) general: [AtomicU64; 31],
    /// The stack pointer.
    pub(super) stack: AtomicU64,
    /// 1: the guest was left in a call.
    pub(super) is_known: AtomicU64,
}

/// The one instance.
pub(super) static LEFT: Left = Left {
    general: [const { AtomicU64::new(0) }; 31],
    stack: AtomicU64::new(0),
    is_known: AtomicU64::new(0),
};

/// A guest is about to be entered.
pub(super) fn forget() {
    LEFT.is_known.store(0, Ordering::SeqCst);
}

/// The registers as at the return from the call in which the last guest was left; `None` if that was elsewhere.
pub(crate) fn in_call() -> Option<Aarch64Registers> {
    if LEFT.is_known.load(Ordering::SeqCst) == 0 {
        return None;
    }
    let general = LEFT.general.each_ref().map(|word| word.load(Ordering::SeqCst));
    Some(Aarch64Registers {
        general,
        stack: LEFT.stack.load(Ordering::SeqCst),
        instruction: general[30],
        flags: 0,
    })
}
