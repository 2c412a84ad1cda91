// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the gates, which are assembly, share with the rest.
//!
//! One guest runs at a time in a program: images are linked at fixed addresses. So this is a static, and the assembly needs no
//! register to find it.

use core::mem::offset_of;
use core::sync::atomic::{AtomicPtr, AtomicUsize};

use crate::guest::Guest;

/// The shared words.
#[repr(C)]
pub(crate) struct State {
    /// Stack pointer of the host at which the guest was entered.
    host_stack: AtomicUsize,
    /// Address of the vCPU page.
    pub(super) page: AtomicUsize,
    /// The tail that ends a call.
    pub(super) tail: AtomicUsize,
    /// Where the resolver's gate goes on.
    target: AtomicUsize,
    /// The running guest, null if none.
    pub(crate) guest: AtomicPtr<Guest>,
}

/// The one instance.
pub(crate) static STATE: State = State {
    host_stack: AtomicUsize::new(0),
    page: AtomicUsize::new(0),
    tail: AtomicUsize::new(0),
    target: AtomicUsize::new(0),
    guest: AtomicPtr::new(core::ptr::null_mut()),
};

pub(super) const HOST_STACK: usize = offset_of!(State, host_stack);
pub(super) const PAGE: usize = offset_of!(State, page);
pub(super) const TAIL: usize = offset_of!(State, tail);
#[cfg(target_arch = "x86")]
pub(super) const TARGET: usize = offset_of!(State, target);
