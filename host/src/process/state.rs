// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the gates and the signal entry, which are assembly, share with the rest.
//!
//! One guest runs at a time in a process: images are linked at fixed addresses, and signal handlers belong to the whole
//! process anyway. So this is a static, and the assembly needs no register to find it.

use std::mem::offset_of;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use super::exit::Stop;
use super::vcpu::Vcpu;

/// Code selector of 64-bit user code on Linux.
pub(super) const CODE_64: u16 = 0x33;
/// Code selector of 32-bit user code on Linux.
pub(super) const CODE_32: u16 = 0x23;
/// Data selector of user code on Linux.
pub(super) const DATA: u16 = 0x2b;

/// First address above the guest: its image, memory and low stubs lie below, the host's code and data above. An
/// instruction pointer below it means that guest code runs.
pub(super) use paravirt_host_core::layout::GUEST_END;

/// Bit of [`State::action`]: leave the guest.
pub(super) const STOP: u32 = 1 << 0;
/// Bit of [`State::action`]: single-step the guest.
pub(super) const STEP: u32 = 1 << 1;

/// Operand of a far jump with a 32-bit offset.
#[repr(C)]
pub(super) struct FarPointer {
    pub(super) offset: AtomicU32,
    pub(super) selector: AtomicU32,
}

impl FarPointer {
    const fn new() -> Self {
        Self {
            offset: AtomicU32::new(0),
            selector: AtomicU32::new(CODE_32 as u32),
        }
    }
}

/// The shared words.
#[repr(C)]
pub(super) struct State {
    /// Stack pointer of the host at which the guest was entered.
    pub(super) host_stack: AtomicU64,
    /// The host's fs base on the vCPU's thread.
    pub(super) host_fs: AtomicU64,
    /// Address of the vCPU page.
    pub(super) page: AtomicU64,
    /// Low code that ends a call of a 64-bit guest.
    pub(super) tail_64: AtomicU64,
    /// Low code that ends a call of a 32-bit guest.
    pub(super) tail_32: FarPointer,
    /// Where the next far jump into a 32-bit guest leads.
    pub(super) target_32: FarPointer,
    /// Address of the counter of upcalls.
    pub(super) upcalls: AtomicU64,
    /// [`STOP`], [`STEP`].
    pub(super) action: AtomicU32,
    /// 1 while a gate that single-steps is on its way back to the guest.
    pub(super) returning: AtomicU32,
    /// Whether user mode may read and write fs and gs base.
    pub(super) fsgsbase: AtomicU32,
    /// First address of the vCPU thread's signal stack.
    pub(super) signal_stack: AtomicU64,
    /// First address behind it.
    pub(super) signal_stack_end: AtomicU64,
    /// The running vCPU, null if none.
    pub(super) vcpu: AtomicPtr<Vcpu>,
    /// Its thread.
    pub(super) thread: AtomicI32,
    /// Why the guest is to be left: a [`Stop`] as a word, 0 if it is not.
    pub(super) stop: AtomicU64,
}

/// The one instance.
pub(super) static STATE: State = State {
    host_stack: AtomicU64::new(0),
    host_fs: AtomicU64::new(0),
    page: AtomicU64::new(0),
    tail_64: AtomicU64::new(0),
    tail_32: FarPointer::new(),
    target_32: FarPointer::new(),
    upcalls: AtomicU64::new(0),
    action: AtomicU32::new(0),
    returning: AtomicU32::new(0),
    fsgsbase: AtomicU32::new(0),
    signal_stack: AtomicU64::new(0),
    signal_stack_end: AtomicU64::new(0),
    vcpu: AtomicPtr::new(std::ptr::null_mut()),
    thread: AtomicI32::new(0),
    stop: AtomicU64::new(0),
};

impl State {
    /// Asks for the guest to be left. The first reason counts.
    pub(super) fn request_stop(&self, stop: Stop) {
        let none = 0;
        let _ = self
            .stop
            .compare_exchange(none, stop.word(), Ordering::SeqCst, Ordering::SeqCst);
        self.action.fetch_or(STOP, Ordering::SeqCst);
    }

    /// Whether the guest is to be left.
    pub(super) fn stopping(&self) -> bool {
        self.action.load(Ordering::SeqCst) & STOP != 0
    }
}

pub(super) const HOST_STACK: usize = offset_of!(State, host_stack);
pub(super) const HOST_FS: usize = offset_of!(State, host_fs);
pub(super) const PAGE: usize = offset_of!(State, page);
pub(super) const TAIL_64: usize = offset_of!(State, tail_64);
pub(super) const TAIL_32: usize = offset_of!(State, tail_32);
pub(super) const TARGET_32: usize = offset_of!(State, target_32);
pub(super) const UPCALLS: usize = offset_of!(State, upcalls);
pub(super) const ACTION: usize = offset_of!(State, action);
pub(super) const RETURNING: usize = offset_of!(State, returning);
pub(super) const FSGSBASE: usize = offset_of!(State, fsgsbase);
pub(super) const SIGNAL_STACK: usize = offset_of!(State, signal_stack);
pub(super) const SIGNAL_STACK_END: usize = offset_of!(State, signal_stack_end);
