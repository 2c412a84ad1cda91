// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the gates, which are assembly, share with the rest.
//!
//! One guest runs at a time in a program: images are linked at fixed addresses. So this is a static, and the assembly
//! needs no register to find it.

use core::mem::offset_of;
use core::ptr;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use core::sync::atomic::AtomicU32;
use core::sync::atomic::{AtomicPtr, AtomicUsize};

/// Operand of a far jump with a 32-bit offset.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
#[repr(C)]
pub(super) struct FarPointer {
    pub(super) offset: AtomicU32,
    pub(super) selector: AtomicU32,
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
impl FarPointer {
    const fn new() -> Self {
        Self {
            offset: AtomicU32::new(0),
            selector: AtomicU32::new(0),
        }
    }
}

/// The shared words.
#[repr(C)]
pub(crate) struct State {
    /// Stack pointer of the host at which the guest was entered; 0 before, and when it is left.
    pub(super) host_stack: AtomicUsize,
    /// Address of the vCPU page.
    pub(super) page: AtomicUsize,
    /// Address of the counter of upcalls.
    pub(super) upcalls: AtomicUsize,
    /// The tail that ends a call of a guest of the host's width.
    pub(super) tail: AtomicUsize,
    /// That of a 32-bit guest on a 64-bit host.
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    pub(super) far_tail: FarPointer,
    /// Where a gate goes on in 32-bit code.
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    pub(super) target: FarPointer,
    /// `super::HostCall`
    pub(super) host_call: AtomicUsize,
    /// `super::Resolve`
    pub(super) resolve: AtomicUsize,
    /// The running guest, null if none.
    pub(crate) guest: AtomicPtr<()>,
}

/// The one instance.
pub(crate) static STATE: State = State {
    host_stack: AtomicUsize::new(0),
    page: AtomicUsize::new(0),
    upcalls: AtomicUsize::new(0),
    tail: AtomicUsize::new(0),
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    far_tail: FarPointer::new(),
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    target: FarPointer::new(),
    host_call: AtomicUsize::new(0),
    resolve: AtomicUsize::new(0),
    guest: AtomicPtr::new(ptr::null_mut()),
};

pub(super) const HOST_STACK: usize = offset_of!(State, host_stack);
pub(super) const PAGE: usize = offset_of!(State, page);
pub(super) const TAIL: usize = offset_of!(State, tail);
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub(super) const TARGET: usize = offset_of!(State, target);
pub(super) const HOST_CALL: usize = offset_of!(State, host_call);
pub(super) const RESOLVE: usize = offset_of!(State, resolve);
#[cfg(not(target_arch = "x86"))]
pub(super) const UPCALLS: usize = offset_of!(State, upcalls);
#[cfg(target_arch = "x86_64")]
pub(super) const FAR_TAIL: usize = offset_of!(State, far_tail);
